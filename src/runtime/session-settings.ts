import { choice, integer, MS } from './setting.ts';

/** For how long who logged in with a browser stays so. */
export const SESSION_SETTINGS = {
  PENSTOCK_SESSION_IDLE: integer(
    1_800_000,
    'How long a session of a browser lasts without a call, give or take a minute.',
    { ...MS, min: 1000 },
  ),
  PENSTOCK_SESSION_LIFETIME: integer(43_200_000, 'How long such a session lasts at the most.', {
    ...MS,
    min: 1000,
  }),
  PENSTOCK_SESSION_COOKIE_SECURE: choice(
    'auto',
    ['auto', 'always'],
    'Whether browsers keep a session for TLS alone: auto = when PENSTOCK_TLS_CERT_FILE is set; always = also when a proxy in front has the TLS.',
  ),
};
