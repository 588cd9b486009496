import { protocolErrorType } from '../../../kafkajs/protocol-error.ts';
import { type KafkaRefusal, refusalOf, toldBy } from '../../../kafkajs/refusal.ts';

/** What to do about errors of the protocol. */
const ADVICE: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: 'raise max.message.bytes of the topic',
  RECORD_LIST_TOO_LARGE: 'raise segment.bytes of the topic',
  INVALID_RECORD: 'a compacted topic takes no record without a key',
  INVALID_TOPIC_EXCEPTION: 'nobody may produce to it',
  UNKNOWN_TOPIC_OR_PARTITION: 'create the topic, or let these credentials see it',
  TOPIC_AUTHORIZATION_FAILED: 'allow the user of these credentials to write to the topic',
  CLUSTER_AUTHORIZATION_FAILED:
    'allow the user of these credentials to write idempotently, or set enable.idempotence=false',
  UNSUPPORTED_COMPRESSION_TYPE: 'choose another compression',
};

/** What to do when a broker does not let the client in. */
const REFUSED: Readonly<Partial<Record<KafkaRefusal, string>>> = {
  untrusted: "put the authority that signed the broker's certificate into tls.ca_cert",
  'certificate-wanted': 'the broker wants a certificate that it trusts in tls.cert',
  'no-tls': 'this listener may not speak TLS: unset tls, or use the port of another one',
  closed: 'the broker did so, which may want TLS or credentials: check tls and sasl',
  credentials: 'check the credentials in sasl',
  'no-credentials': 'this listener wants no credentials: unset sasl, or use the port of another one',
};

const ABOUT_TOPICS = /TOPIC|MESSAGE|RECORD|PARTITION/;

/** The client was closed, or the connection lost, before it was known whether the records arrived. */
export class DisconnectedError extends Error {
  override readonly name = 'DisconnectedError';
  /** Whether a connection was lost that had been made: records may have been on it. */
  readonly wasOpen: boolean;

  constructor(message: string, wasOpen = false, cause?: Error) {
    super(message, cause && { cause });
    this.wasOpen = wasOpen;
  }
}

/** Why Kafka could not be used, and what to do about it, for people. */
export function reasonOf(error: unknown, topic: string): string {
  const type = protocolErrorType(error);
  const root = rootOf(error);
  const told = toldBy(root);
  const about = type !== undefined && ABOUT_TOPICS.test(type) ? `topic ${topic}: ` : '';
  const refusal = refusalOf(type, told);
  const advice = refusal === undefined ? ADVICE[type ?? ''] : REFUSED[refusal];
  return `${about}${told}${brokerOf(root, told)}${advice === undefined ? '' : `: ${advice}`}`;
}

/** The broker that an error is about, unless it says so itself. */
function brokerOf(error: unknown, told: string): string {
  if (!(error instanceof Error) || !('broker' in error)) return '';
  const broker = String(error.broker).replace(/^\[.*\]/, (host) => host.replaceAll('_', ':'));
  return told.includes(broker) ? '' : ` (${broker})`;
}

/** kafkajs wraps what it gives up into errors of its own. */
export function rootOf(error: unknown): unknown {
  let root = error;
  while (!(root instanceof DisconnectedError) && root instanceof Error && root.cause instanceof Error) {
    root = root.cause;
  }
  return root;
}

/** The broker to which a connection broke, or could not be made, when that is what kafkajs tells by it. */
export function lostBroker(error: unknown): string | undefined {
  const root = rootOf(error);
  if (!(root instanceof Error) || !/^KafkaJSConnection/.test(root.name)) return undefined;
  return 'broker' in root ? String(root.broker) : undefined;
}
