/** Said where a part of the UI cannot be loaded: one of an older version may be gone from the server. */
export const ANOTHER_VERSION = {
  title: 'This page is of another version',
  text: 'The server has a newer one, or cannot be reached.',
};
