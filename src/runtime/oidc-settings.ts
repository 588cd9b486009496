import { list, text } from './setting.ts';

/** The OpenID Connect provider that people and programs are known to. */
export const OIDC_SETTINGS = {
  PENSTOCK_OIDC_ISSUER: text(
    '',
    'The issuer of an OpenID Connect provider, a URL as its tokens have it: callers are let in by its tokens. Unset: by none.',
  ),
  PENSTOCK_OIDC_AUDIENCE: text(
    '',
    'The audience that its access tokens must be for; unset: PENSTOCK_OIDC_CLIENT_ID.',
  ),
  PENSTOCK_OIDC_CLIENT_ID: text(
    '',
    'The client that Penstock is at the provider: people log in with a browser then, at /login/oidc.',
  ),
  PENSTOCK_OIDC_CLIENT_SECRET: text('', 'The secret of this client; unset: it has none (PKCE alone).', {
    secret: true,
  }),
  PENSTOCK_OIDC_CLIENT_SECRET_FILE: text('', 'A file with it. Read again when it changes.'),
  PENSTOCK_OIDC_REDIRECT_URL: text(
    '',
    'Where the provider sends browsers back to, such as https://penstock.example.com/login/oidc/callback; unset: that path of the host that is called.',
  ),
  PENSTOCK_OIDC_NAME: text('OpenID Connect', 'What people know the provider by, for a button.'),
  PENSTOCK_OIDC_SCOPES: list(['openid', 'profile', 'email'], 'The scopes that a browser asks for.'),
  PENSTOCK_OIDC_NAME_CLAIM: list(
    ['preferred_username', 'email', 'sub'],
    'The claims that a name is taken from: the first one that there is. An email counts when it is verified.',
  ),
  PENSTOCK_OIDC_ROLES_CLAIM: text(
    'groups',
    'The claim with what PENSTOCK_OIDC_ROLES maps: its name, or a path such as realm_access.roles.',
  ),
  PENSTOCK_OIDC_ROLES: list(
    [],
    'Which value of that claim gives which role: penstock-admins=admin,developers=editor. The highest counts; who has none is not let in.',
  ),
  PENSTOCK_OIDC_CA_FILE: text(
    '',
    'A file with the authorities, in PEM, that certificates of the provider are trusted by. Read again when it changes. Unset: those of the system.',
  ),
};
