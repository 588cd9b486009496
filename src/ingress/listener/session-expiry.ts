/** The longest a session outlives its connection, in seconds. */
export const MAX_SESSION_EXPIRY = 3600;
