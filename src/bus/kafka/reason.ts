import { protocolErrorType } from '../../kafkajs/protocol-error.ts';
import { type KafkaRefusal, refusalOf, toldBy } from '../../kafkajs/refusal.ts';

/** Which setting to look at when Kafka does not let Penstock in, or cannot be trusted. */
const ADVICE: Readonly<Record<KafkaRefusal, string>> = {
  untrusted: 'set PENSTOCK_KAFKA_TLS_CA_FILE to a file with the authority that signed its certificate',
  expired: 'its certificate is not valid now: have it renewed, or see to the clock of this machine',
  'other-name': 'name it in TB_KAFKA_SERVERS, and in advertised.listeners of Kafka, as its certificate does',
  'certificate-wanted':
    'set PENSTOCK_KAFKA_TLS_CERT_FILE and PENSTOCK_KAFKA_TLS_KEY_FILE to a certificate that it trusts',
  'no-tls':
    'this listener may not speak TLS: unset PENSTOCK_KAFKA_TLS, or name another one in TB_KAFKA_SERVERS',
  credentials:
    'check PENSTOCK_KAFKA_SASL_USERNAME and PENSTOCK_KAFKA_SASL_PASSWORD, or PENSTOCK_KAFKA_SASL_PASSWORD_FILE',
  mechanism: 'set PENSTOCK_KAFKA_SASL_MECHANISM to one that it has',
  'no-credentials':
    'this listener wants no login: unset PENSTOCK_KAFKA_SASL_MECHANISM, or name another one in TB_KAFKA_SERVERS',
  closed: 'it may want TLS or a login: set PENSTOCK_KAFKA_TLS or PENSTOCK_KAFKA_SASL_MECHANISM',
};

export interface KafkaReason {
  /** What the error says, and which setting to look at. */
  readonly text: string;
  /** Undefined: it is about something else than being let in. */
  readonly refusal: KafkaRefusal | undefined;
}

/** Why Kafka could not be used, for the operator. */
export function reasonOf(error: unknown): KafkaReason {
  const told = toldBy(rootOf(error));
  const refusal = refusalOf(protocolErrorType(error), told);
  return { text: refusal === undefined ? told : `${told}: ${ADVICE[refusal]}`, refusal };
}

/** Without what kafkajs and the bus have wrapped around it. */
function rootOf(error: unknown): unknown {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  return root;
}
