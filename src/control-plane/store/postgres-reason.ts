import { messageOf } from '../../runtime/logger.ts';
import { type TlsRefusal, tlsRefusal } from '../../runtime/tls-refusal.ts';

/** What waiting does not cure: a wrong password, no such role or database, TLS that is wanted. */
const HOPELESS = new Set(['28P01', '28000', '3D000']);

/** What to look at in PENSTOCK_POSTGRES_URL when PostgreSQL does not let Penstock in, or cannot be trusted. */
const ADVICE: Readonly<Record<TlsRefusal | 'tls-wanted', string>> = {
  untrusted: 'name a file with the authority that signed its certificate in sslrootcert',
  expired: 'its certificate is not valid now: have it renewed, or see to the clock of this machine',
  'other-name': 'name it as its certificate does, or say sslmode=verify-ca',
  'certificate-wanted': 'name a certificate that it trusts in sslcert and sslkey',
  'no-tls': 'it speaks no TLS: turn ssl on there, or say sslmode=disable',
  'tls-wanted': 'it may want TLS: say sslmode=verify-full',
};

export interface PostgresReason {
  /** What the error says, and what to look at, if that is known. */
  readonly text: string;
  readonly isHopeless: boolean;
}

/** Why PostgreSQL could not be used, for the operator. */
export function postgresReason(error: unknown): PostgresReason {
  const told = messageOf(error);
  const refusal = /disconnected/.test(told) ? undefined : refusalOf(told); // it may have been stopped at that moment
  const { code = '' } = error as { readonly code?: string };
  return {
    text: refusal === undefined ? told : `${told}: ${ADVICE[refusal]}`,
    isHopeless: refusal !== undefined || HOPELESS.has(code),
  };
}

function refusalOf(told: string): keyof typeof ADVICE | undefined {
  if (/pg_hba\.conf (entry|rejects) .*no encryption/.test(told)) return 'tls-wanted';
  if (/requires a valid client certificate/.test(told)) return 'certificate-wanted';
  return tlsRefusal(told);
}
