import { boolean, integer, text } from './setting.ts';

/** Where `penstock call` finds the API, and what it shows there. No role reads them. */
export const CALL_SETTINGS = {
  PENSTOCK_ADDRESS: text('127.0.0.1:9090', 'penstock call: where the gRPC port is, as host:port.'),
  PENSTOCK_TOKEN: text('', 'penstock call: the token to show. Unset: none.', { secret: true }),
  PENSTOCK_TOKEN_FILE: text('', 'penstock call: a file with the token to show, instead of PENSTOCK_TOKEN.'),
  PENSTOCK_CALL_TLS: boolean(false, 'penstock call: whether the gRPC port speaks TLS.'),
  PENSTOCK_CALL_CA_FILE: text(
    '',
    'penstock call: a file with the authorities, in PEM, that signed the certificate of the gRPC port; it then speaks TLS. Unset: those of the system.',
  ),
  PENSTOCK_CALL_CERT_FILE: text(
    '',
    'penstock call: a file with the certificate to show, in PEM; the gRPC port then speaks TLS. Unset: none.',
  ),
  PENSTOCK_CALL_KEY_FILE: text(
    '',
    'penstock call: a file with the private key of PENSTOCK_CALL_CERT_FILE, in PEM, not encrypted.',
  ),
  PENSTOCK_CALL_TIMEOUT_SEC: integer(
    0,
    'penstock call: how long a call may take; 0 = 30 s, and a stream has no end.',
    { unit: 's', max: 2_147_483 },
  ),
};
