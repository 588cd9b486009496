import { messageOf } from '../runtime/logger.ts';
import { type TlsRefusal, tlsRefusal } from '../runtime/tls-refusal.ts';

/** What a broker did not let in for; `closed` is a broker that hung up without a word. */
export type KafkaRefusal = TlsRefusal | 'credentials' | 'mechanism' | 'no-credentials' | 'closed';

const BY_TYPE: Readonly<Record<string, KafkaRefusal>> = {
  SASL_AUTHENTICATION_FAILED: 'credentials',
  UNSUPPORTED_SASL_MECHANISM: 'mechanism',
  ILLEGAL_SASL_STATE: 'no-credentials',
};
const BY_TEXT: readonly (readonly [RegExp, KafkaRefusal])[] = [
  [/^Closed connection/, 'closed'],
  [/mechanism is not supported/, 'mechanism'],
  [/authentication failed/i, 'credentials'],
];

/** kafkajs says so of a login that a lost connection ended, too. */
const LOST_MEANWHILE = /authentication failed: (Closed connection|Connection |Request .*timed out)/i;
const OPENSSL = /[0-9A-F]{8,}:error:[0-9A-F]+:SSL routines:[^:]*:([^:]*):.*$/s;

/** What an error says, without what OpenSSL and Node add to it. */
export const toldBy = (error: unknown): string =>
  messageOf(error)
    .replace(OPENSSL, '$1')
    .replace(/; if the root CA is installed.*/, '')
    .trim();

/**
 * Whether a broker, or this side of TLS, refused the connection.
 * @param type the kind of the protocol error, if it is one
 * @param told what the error says
 */
export function refusalOf(type: string | undefined, told: string): KafkaRefusal | undefined {
  if (type !== undefined) return BY_TYPE[type];
  if (LOST_MEANWHILE.test(told)) return undefined;
  return tlsRefusal(told) ?? BY_TEXT.find(([pattern]) => pattern.test(told))?.[1];
}
