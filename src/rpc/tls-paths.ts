import type { Settings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';
import type { TlsPaths } from './tls-files.ts';

type TlsSettings = Pick<
  Settings,
  | 'PENSTOCK_TLS_CERT_FILE'
  | 'PENSTOCK_TLS_KEY_FILE'
  | 'PENSTOCK_TLS_CLIENT_CA_FILE'
  | 'PENSTOCK_TLS_CLIENT_CERT'
>;

/**
 * The files that listeners speak TLS with; undefined: without it.
 * @throws UserError when one is missing
 */
export function tlsPaths(settings: TlsSettings): TlsPaths | undefined {
  const {
    PENSTOCK_TLS_CERT_FILE: cert,
    PENSTOCK_TLS_KEY_FILE: key,
    PENSTOCK_TLS_CLIENT_CA_FILE: clientCa,
    PENSTOCK_TLS_CLIENT_CERT: demand,
  } = settings;
  if (cert !== '' && key !== '') {
    return { cert, key, ...(clientCa !== '' && { clientCa, isClientOptional: demand === 'optional' }) };
  }
  if (cert === '' && key === '' && clientCa === '') return undefined;
  throw new UserError(
    'TLS takes both PENSTOCK_TLS_CERT_FILE and PENSTOCK_TLS_KEY_FILE: set the one that is missing',
  );
}
