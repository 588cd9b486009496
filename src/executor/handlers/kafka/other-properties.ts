import {
  KafkaAcks,
  KafkaCompression,
  type KafkaConfiguration,
  KafkaSaslMechanism,
} from '../../../../gen/penstock/v1/kafka_pb.ts';
import type { FieldViolation } from '../../../contract/validate.ts';
import type { KafkaOptions } from './options.ts';
import { isSecretProperty, whyRefused } from './refused-properties.ts';

type Options = Partial<KafkaOptions>;
/** What a property comes to, or what is wrong with its value, for people. */
type Reading = { readonly options: Options } | { readonly problem: string };
type Read = (value: string, config: KafkaConfiguration) => Reading;

type OptionOf<T> = { [K in keyof KafkaOptions]: KafkaOptions[K] extends T ? K : never }[keyof KafkaOptions];

const DAY = 86_400_000;

/** The properties of the Java producer that can be honoured exactly, by their names. */
export const HONOURED: Readonly<Record<string, Read>> = {
  acks: unless(
    'acks',
    ({ acks }) => acks !== KafkaAcks.UNSPECIFIED,
    choice('acks', { all: -1, '-1': -1, '1': 1, '0': 0 }),
  ),
  'compression.type': unless(
    'compression',
    ({ compression }) => compression !== KafkaCompression.UNSPECIFIED,
    choice('compression', { none: 'none', gzip: 'gzip', snappy: 'snappy', lz4: 'lz4', zstd: 'zstd' }),
  ),
  retries: unless('retries', (config) => config.retries > 0, number('retries', 0, 100)),
  'batch.size': unless(
    'batch_size_bytes',
    (config) => config.batchSizeBytes !== undefined,
    number('batchBytes', 1, 16_777_216),
  ),
  'linger.ms': unless('linger', ({ linger }) => linger !== undefined, number('linger', 0, 60_000)),
  'buffer.memory': unless(
    'buffer_memory_bytes',
    (config) => config.bufferMemoryBytes !== undefined,
    number('bufferBytes', 65_536, 1_073_741_824),
  ),
  'enable.idempotence': choice('idempotence', { true: true, false: false }),
  // One request is on its way at a time, which is never more than what is allowed.
  'max.in.flight.requests.per.connection': (value) =>
    /^[1-9]\d{0,8}$/.test(value) ? { options: {} } : { problem: 'must be a whole number above 0' },
  'max.request.size': number('maxRequestBytes', 1, 1_073_741_824),
  'request.timeout.ms': number('requestTimeout', 100, 3_600_000),
  'delivery.timeout.ms': number('deliveryTimeout', 100, DAY),
  'socket.connection.setup.timeout.ms': number('connectTimeout', 100, 3_600_000),
  'metadata.max.age.ms': number('metadataMaxAge', 100, DAY),
  'connections.max.idle.ms': number('maxIdle', 1000, DAY),
  'reconnect.backoff.ms': number('reconnectPause', 0, 3_600_000),
  'reconnect.backoff.max.ms': number('maxReconnectPause', 0, 3_600_000),
  'retry.backoff.ms': number('retryPause', 0, 3_600_000),
  'retry.backoff.max.ms': number('maxRetryPause', 0, 3_600_000),
  'security.protocol': securityProtocol,
  'sasl.mechanism': saslMechanism,
  'ssl.endpoint.identification.algorithm': choice('verifiesHost', { https: true, '': false }),
  'ssl.enabled.protocols': protocols,
  'ssl.truststore.type': pemOnly,
  'ssl.keystore.type': pemOnly,
  'ssl.truststore.certificates': unless(
    'tls.ca_cert',
    ({ tls }) => Boolean(tls?.caCert),
    (caCert) => ({ options: { caCert } }),
  ),
  'ssl.keystore.certificate.chain': unless(
    'tls.cert',
    ({ tls }) => Boolean(tls?.cert),
    (cert) => ({ options: { cert } }),
  ),
};

/** What the other properties of a configuration come to, and what is wrong with them. */
export function readOtherProperties(config: KafkaConfiguration): {
  readonly options: Options;
  readonly violations: readonly FieldViolation[];
} {
  let options: Options = {};
  const violations: FieldViolation[] = [];
  for (const [name, value] of Object.entries(config.otherProperties)) {
    const reading = readingOf(name, value, config);
    if ('options' in reading) options = { ...options, ...reading.options };
    else {
      const field = `other_properties[${JSON.stringify(name)}]`;
      violations.push({ field, description: reading.problem, reason: 'KAFKA_OTHER_PROPERTIES' });
    }
  }
  return { options, violations };
}

function readingOf(name: string, value: string, config: KafkaConfiguration): Reading {
  const read = Object.hasOwn(HONOURED, name) && !isSecretProperty(name) ? HONOURED[name] : undefined;
  return read ? read(value.trim(), config) : { problem: whyRefused(name) };
}

/** A property that says what a field says: one of them is enough. */
function unless(field: string, isSet: (config: KafkaConfiguration) => boolean, read: Read): Read {
  return (value, config) =>
    isSet(config) ? { problem: `the field ${field} says so already: keep one` } : read(value, config);
}

function number(name: OptionOf<number>, min: number, max: number): Read {
  return (value) => {
    const isIn = /^\d{1,12}$/.test(value) && Number(value) >= min && Number(value) <= max;
    return isIn
      ? { options: { [name]: Number(value) } }
      : { problem: `must be a whole number from ${min} to ${max}` };
  };
}

function choice<K extends keyof KafkaOptions>(
  name: K,
  choices: Readonly<Record<string, KafkaOptions[K]>>,
): Read {
  return (value) =>
    Object.hasOwn(choices, value.toLowerCase())
      ? { options: { [name]: choices[value.toLowerCase()] } }
      : { problem: `must be ${oneOf(Object.keys(choices))}` };
}

const oneOf = (names: readonly string[]) => names.map((name) => name || 'empty').join(', ');

function securityProtocol(value: string, { tls, sasl }: KafkaConfiguration): Reading {
  const protocol = value.toUpperCase();
  if (!['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'].includes(protocol)) {
    return { problem: 'must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL' };
  }
  const isTls = protocol.endsWith('SSL');
  if (!isTls && tls) return { problem: 'contradicts the field tls: leave one out' };
  if (protocol.startsWith('SASL_') !== (sasl !== undefined)) {
    return {
      problem: sasl
        ? 'contradicts the field sasl: leave one out'
        : 'needs the field sasl with the credentials',
    };
  }
  return { options: isTls ? { isTls } : {} };
}

const MECHANISMS: ReadonlyMap<string, KafkaSaslMechanism> = new Map([
  ['PLAIN', KafkaSaslMechanism.PLAIN],
  ['SCRAM-SHA-256', KafkaSaslMechanism.SCRAM_SHA_256],
  ['SCRAM-SHA-512', KafkaSaslMechanism.SCRAM_SHA_512],
  ['OAUTHBEARER', KafkaSaslMechanism.OAUTHBEARER],
]);

function saslMechanism(value: string, { sasl }: KafkaConfiguration): Reading {
  const mechanism = MECHANISMS.get(value.toUpperCase());
  if (mechanism === undefined) return { problem: `must be ${oneOf([...MECHANISMS.keys()])}` };
  if (!sasl) return { problem: 'needs the field sasl with the credentials' };
  return mechanism === sasl.mechanism
    ? { options: {} }
    : { problem: 'contradicts the field sasl.mechanism: keep one' };
}

function protocols(value: string): Reading {
  const names = value.split(',').map((name) => name.trim());
  if (names.length === 0 || names.some((name) => name !== 'TLSv1.2' && name !== 'TLSv1.3')) {
    return { problem: 'must be TLSv1.2, TLSv1.3 or both, with a comma' };
  }
  return {
    options: {
      minTls: names.includes('TLSv1.2') ? 'TLSv1.2' : 'TLSv1.3',
      maxTls: names.includes('TLSv1.3') ? 'TLSv1.3' : 'TLSv1.2',
    },
  };
}

function pemOnly(value: string): Reading {
  return value.toUpperCase() === 'PEM'
    ? { options: {} }
    : { problem: 'must be PEM: convert the store and put its certificates into the field tls' };
}
