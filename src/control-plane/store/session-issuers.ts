/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const SESSION_ISSUERS = /* sql */ `
  -- Of the OpenID Connect provider that its caller logged in at. It holds while the settings name that one.
  alter table sessions add column issuer text;
  `;
