import { choice, list, text } from './setting.ts';

/** What the gRPC and the HTTP port show, and ask of who calls. */
export const TLS_SETTINGS = {
  PENSTOCK_TLS_CERT_FILE: text(
    '',
    'A file with the certificate, in PEM, that the gRPC and the HTTP port show, and behind it those that lead to its authority. Read again when it changes. Unset: they are without TLS.',
  ),
  PENSTOCK_TLS_KEY_FILE: text(
    '',
    'A file with the private key of PENSTOCK_TLS_CERT_FILE, in PEM, not encrypted.',
  ),
  PENSTOCK_TLS_CLIENT_CA_FILE: text(
    '',
    'A file with the authorities, in PEM, one of which must have signed the certificate of whoever calls, but for /health. Unset: callers need none.',
  ),
  PENSTOCK_TLS_CLIENT_CERT: choice(
    'required',
    ['required', 'optional'],
    'With PENSTOCK_TLS_CLIENT_CA_FILE: whether nobody may call without a certificate, or also who shows something else.',
  ),
  PENSTOCK_TLS_CLIENT_ROLES: list(
    [],
    'Which client certificate gives which role, by a name in it (URI, DNS or common name): pipeline.example.com=editor; *=viewer for any other. Unset: certificates give none.',
  ),
};
