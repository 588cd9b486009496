import { text } from './setting.ts';
import { UserError } from './user-error.ts';

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

/** The files of the settings; undefined: without TLS. @throws UserError when one of a pair is missing */
export function tlsPaths(
  settings: Readonly<Record<keyof typeof TLS_SETTINGS, string>>,
): { readonly cert: string; readonly key: string; readonly clientCa?: string } | undefined {
  const {
    PENSTOCK_TLS_CERT_FILE: cert,
    PENSTOCK_TLS_KEY_FILE: key,
    PENSTOCK_TLS_CLIENT_CA_FILE: clientCa,
  } = settings;
  if (cert !== '' && key !== '') return { cert, key, ...(clientCa !== '' && { clientCa }) };
  if (cert === '' && key === '' && clientCa === '') return undefined;
  throw new UserError(
    'TLS takes both PENSTOCK_TLS_CERT_FILE and PENSTOCK_TLS_KEY_FILE: set the one that is missing',
  );
}
