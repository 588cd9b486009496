import { choice, integer, text } from './setting.ts';

/** Who is let in. */
export const ACCESS_SETTINGS = {
  PENSTOCK_AUDIT_TTL_SEC: integer(7_776_000, 'How long audit records are kept.', { unit: 's', min: 60 }),
  PENSTOCK_LOGIN: choice(
    'auto',
    ['auto', 'required'],
    'Whether callers must show who they are: auto = when another setting says how somebody is let in.',
  ),
  PENSTOCK_BOOTSTRAP_TOKEN: text(
    '',
    'A token that its bearer is an admin by, to make the first ones with: 32 characters or more.',
    { secret: true },
  ),
  PENSTOCK_BOOTSTRAP_TOKEN_FILE: text('', 'A file with such a token. It is read again when it changes.'),
};
