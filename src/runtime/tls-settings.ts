import { text } from './setting.ts';

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
};
