import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  KafkaAcks,
  KafkaCompression,
  type KafkaConfiguration,
  KafkaConfigurationSchema,
  KafkaSaslMechanism,
} from '../../gen/penstock/v1/kafka_pb.ts';
import { encoderOf } from '../../src/executor/handlers/kafka/charset.ts';
import { DEFAULTS, type KafkaOptions } from '../../src/executor/handlers/kafka/options.ts';
import { HONOURED, readOtherProperties } from '../../src/executor/handlers/kafka/other-properties.ts';
import { optionsOf } from '../../src/executor/handlers/kafka/resolve-options.ts';
import { bootstrapServer, hostOf } from '../../src/executor/handlers/kafka/sockets.ts';
import { kafka } from '../../src/executor/handlers/kafka/type.ts';
import { validate } from '../../src/executor/handlers/kafka/validate.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';

type Init = Exclude<MessageInitShape<typeof KafkaConfigurationSchema>, KafkaConfiguration>;

const SECRET = 's3cret-value';
const configOf = (init: Init) =>
  create(KafkaConfigurationSchema, { bootstrapServers: ['127.0.0.1:9092'], ...init });
const problemsOf = (init: Init, allowsLocal = true) =>
  Object.fromEntries(
    validate(configOf(init), createTargetGuard(allowsLocal)).map(({ field, description }) => [
      field,
      description,
    ]),
  );
const sasl = { mechanism: KafkaSaslMechanism.PLAIN, username: 'u', password: SECRET };

describe('other properties', () => {
  const honoured: readonly (readonly [name: string, value: string, options: Partial<KafkaOptions>])[] = [
    ['acks', 'all', { acks: -1 }],
    ['acks', '-1', { acks: -1 }],
    ['acks', '1', { acks: 1 }],
    ['acks', '0', { acks: 0 }],
    ['compression.type', 'ZSTD', { compression: 'zstd' }],
    ['retries', '7', { retries: 7 }],
    ['batch.size', '16384', { batchBytes: 16_384 }],
    ['linger.ms', ' 5 ', { linger: 5 }],
    ['buffer.memory', '65536', { bufferBytes: 65_536 }],
    ['enable.idempotence', 'false', { idempotence: false }],
    ['max.in.flight.requests.per.connection', '5', {}],
    ['max.request.size', '2097152', { maxRequestBytes: 2_097_152 }],
    ['request.timeout.ms', '20000', { requestTimeout: 20_000 }],
    ['delivery.timeout.ms', '120000', { deliveryTimeout: 120_000 }],
    ['metadata.max.age.ms', '60000', { metadataMaxAge: 60_000 }],
    ['connections.max.idle.ms', '60000', { maxIdle: 60_000 }],
    ['reconnect.backoff.ms', '10', { reconnectPause: 10 }],
    ['reconnect.backoff.max.ms', '20', { maxReconnectPause: 20 }],
    ['retry.backoff.ms', '30', { retryPause: 30 }],
    ['retry.backoff.max.ms', '40', { maxRetryPause: 40 }],
    ['socket.connection.setup.timeout.ms', '3000', { connectTimeout: 3000 }],
    ['security.protocol', 'SSL', { isTls: true }],
    ['security.protocol', 'PLAINTEXT', {}],
    ['ssl.endpoint.identification.algorithm', '', { verifiesHost: false }],
    ['ssl.endpoint.identification.algorithm', 'https', { verifiesHost: true }],
    ['ssl.enabled.protocols', 'TLSv1.3', { minTls: 'TLSv1.3', maxTls: 'TLSv1.3' }],
    ['ssl.enabled.protocols', 'TLSv1.2, TLSv1.3', { minTls: 'TLSv1.2', maxTls: 'TLSv1.3' }],
    ['ssl.truststore.type', 'PEM', {}],
    ['ssl.truststore.certificates', 'pem', { caCert: 'pem' }],
    ['ssl.keystore.certificate.chain', 'pem', { cert: 'pem' }],
  ];
  for (const [name, value, options] of honoured) {
    test(`${name}=${value} is honoured`, () => {
      const config = configOf({ otherProperties: { [name]: value } });
      assert.deepEqual(readOtherProperties(config), { options, violations: [] });
      assert.deepEqual(optionsOf(config), { ...DEFAULTS, ...options });
    });
  }

  const refused: readonly (readonly [name: string, value: string, why: RegExp])[] = [
    ['acks', '2', /must be 0, 1, all, -1/],
    ['retries', '2147483647', /from 0 to 100/],
    ['linger.ms', '1.5', /whole number/],
    ['enable.idempotence', 'yes', /true, false/],
    ['security.protocol', 'SASL_SSL', /needs the field sasl/],
    ['sasl.mechanism', 'PLAIN', /needs the field sasl/],
    ['ssl.keystore.type', 'JKS', /PEM/],
    ['bootstrap.servers', 'a:1', /use the field bootstrap_servers/],
    ['client.id', 'x', /use the field client_id_prefix/],
    ['key.serializer', 'x', /leave it out/],
    ['partitioner.class', 'x', /the partitioner is that of the Java client/],
    ['transactional.id', 'x', /no transactions/],
    ['interceptor.classes', 'x', /Java class/],
    ['metrics.recording.level', 'INFO', /metrics/],
    ['send.buffer.bytes', '1', /operating system/],
    ['max.block.ms', '1', /delivery\.pack_processing_timeout/],
    ['sasl.login.class', 'x', /use the field sasl/],
    ['sasl.kerberos.service.name', 'kafka', /Kerberos/],
    ['ssl.truststore.location', '/x', /names a file.*the field tls/],
    ['no.such.property', 'x', /no property of the Java producer/],
    ['constructor', 'x', /no property of the Java producer/],
    ['__proto__', 'x', /no property of the Java producer/],
    ['sasl.jaas.config', SECRET, /is a secret.*use sasl$/],
    ['ssl.keystore.key', SECRET, /is a secret.*use tls\.private_key/],
    ['ssl.key.password', SECRET, /is a secret.*tls\.private_key_password/],
    ['sasl.oauthbearer.client.credentials.client.secret', SECRET, /is a secret/],
  ];
  for (const [name, value, why] of refused) {
    test(`${name}=${value} is refused by name`, () => {
      const otherProperties = Object.fromEntries([[name, value]]);
      const { violations } = readOtherProperties(configOf({ otherProperties }));
      assert.equal(violations.length, 1);
      assert.equal(violations[0]!.field, `other_properties["${name}"]`);
      assert.match(violations[0]!.description, why);
      assert.ok(!violations[0]!.description.includes(SECRET));
    });
  }

  test('the documentation names those that are honoured', () => {
    const page = readFileSync('docs/kafka.md', 'utf8');
    const [, section = ''] = page.split('## Properties of the Java producer');
    const rows = section
      .split('\n## ')[0]!
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    const names = rows.flatMap((row) =>
      [...row.split(' | ')[0]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
    );
    assert.deepEqual(names.toSorted(), Object.keys(HONOURED).toSorted());
  });

  test('what a field says already is said once', () => {
    const init: Init = {
      acks: KafkaAcks.LEADER,
      compression: KafkaCompression.LZ4,
      retries: 1,
      batchSizeBytes: 1,
      linger: {},
      bufferMemoryBytes: 65_536n,
      tls: { caCert: 'x', cert: 'y' },
      sasl,
    };
    const properties = {
      acks: '1',
      'compression.type': 'lz4',
      retries: '1',
      'batch.size': '1',
      'linger.ms': '0',
      'buffer.memory': '65536',
      'ssl.truststore.certificates': 'x',
      'ssl.keystore.certificate.chain': 'y',
      'security.protocol': 'SSL',
      'sasl.mechanism': 'SCRAM-SHA-256',
    };
    const { violations } = readOtherProperties(configOf({ ...init, otherProperties: properties }));
    assert.deepEqual(
      violations.map(({ field }) => field).toSorted(),
      Object.keys(properties)
        .map((name) => `other_properties["${name}"]`)
        .toSorted(),
    );
    const agreeing = { 'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'PLAIN' };
    assert.deepEqual(readOtherProperties(configOf({ ...init, otherProperties: agreeing })).violations, []);
  });
});

test('the fields of a configuration are its options', () => {
  assert.deepEqual(optionsOf(configOf({})), DEFAULTS);
  const options = optionsOf(
    configOf({
      acks: KafkaAcks.NONE,
      compression: KafkaCompression.SNAPPY,
      retries: 3,
      batchSizeBytes: 4,
      linger: { nanos: 5_000_000 },
      bufferMemoryBytes: 65_536n,
    }),
  );
  const { acks, compression, retries, batchBytes, linger, bufferBytes } = options;
  assert.deepEqual(
    [acks, compression, retries, batchBytes, linger, bufferBytes],
    [0, 'snappy', 3, 4, 5, 65_536],
  );
});

test('packs are as large, and wait as long, as the options say', () => {
  assert.deepEqual(kafka.pack(configOf({})), {
    maxMessages: 250,
    maxBytes: 33_554_432,
    maxWait: 0,
    runs: 'within',
  });
  const otherProperties = { 'linger.ms': '20', 'buffer.memory': '70000' };
  assert.deepEqual(kafka.pack(configOf({ otherProperties })), {
    maxMessages: 250,
    maxBytes: 70_000,
    maxWait: 20,
    runs: 'within',
  });
});

describe('validation', () => {
  test('nothing is wrong with the least there can be', () => {
    assert.deepEqual(problemsOf({}), {});
    assert.deepEqual(problemsOf({ tls: {}, sasl, key: '${clientId}', bodyTemplate: '${payload}' }), {});
  });

  test('every problem is told at once, each with its path', () => {
    const problems = problemsOf({
      bootstrapServers: ['a:1', 'b:0', '[::1]:99999'],
      key: '${nothing}',
      kafkaHeaders: [
        { key: 'a', value: 'b' },
        { key: 'penstock-hops', value: '${' },
      ],
      bodyTemplate: 'x',
      sendOnlyMsgPayload: true,
      tls: { caCert: 'garbage' },
      sasl: {
        mechanism: KafkaSaslMechanism.PLAIN,
        username: 'u',
        tokenEndpointUrl: 'https://a/',
        scopes: ['a'],
      },
      otherProperties: { 'enable.idempotence': 'true', acks: '1', 'delivery.timeout.ms': '500', x: 'y' },
    });
    assert.deepEqual(Object.keys(problems).toSorted(), [
      'body_template',
      'bootstrap_servers[1]',
      'bootstrap_servers[2]',
      'kafka_headers[1].key',
      'kafka_headers[1].value',
      'key',
      'other_properties["delivery.timeout.ms"]',
      'other_properties["enable.idempotence"]',
      'other_properties["x"]',
      'sasl.password',
      'sasl.scopes',
      'sasl.token_endpoint_url',
      'tls',
    ]);
    assert.match(problems['other_properties["enable.idempotence"]'] ?? '', /needs acks=all/);
    assert.match(problems['other_properties["delivery.timeout.ms"]'] ?? '', /at least .* \(10000\)/);
  });

  test('a token needs an endpoint and a secret', () => {
    const token = { mechanism: KafkaSaslMechanism.OAUTHBEARER, username: 'u' };
    assert.deepEqual(Object.keys(problemsOf({ sasl: token })), ['sasl.password', 'sasl.token_endpoint_url']);
    const complete = {
      ...token,
      password: SECRET,
      tokenEndpointUrl: 'http://127.0.0.1/token',
      scopes: ['a'],
    };
    assert.deepEqual(problemsOf({ sasl: complete }), {});
  });

  test('properties of TLS need TLS', () => {
    const otherProperties = { 'ssl.enabled.protocols': 'TLSv1.3' };
    const path = 'other_properties["ssl.enabled.protocols"]';
    assert.match(problemsOf({ otherProperties })[path] ?? '', /needs TLS/);
    assert.deepEqual(problemsOf({ otherProperties, tls: {} }), {});
    assert.deepEqual(problemsOf({ otherProperties: { ...otherProperties, 'security.protocol': 'SSL' } }), {});
  });

  test('an address that is not allowed is refused however it is written', () => {
    const bootstrapServers = ['10.0.0.1:9092', '[::1]:9092', '[fe80::1]:9092', 'kafka.example.com:9092'];
    const token = { mechanism: KafkaSaslMechanism.OAUTHBEARER, username: 'u', password: SECRET };
    const init = { bootstrapServers, sasl: { ...token, tokenEndpointUrl: 'http://[::1]:8080/token' } };
    assert.deepEqual(Object.keys(problemsOf(init, false)), [
      'bootstrap_servers[0]',
      'bootstrap_servers[1]',
      'bootstrap_servers[2]',
      'sasl.token_endpoint_url',
    ]);
  });
});

test('an IPv6 address passes through kafkajs, which cuts servers at their first colon', () => {
  for (const [server, host] of [
    ['[::1]:9092', '::1'],
    ['[2001:db8::7]:1', '2001:db8::7'],
    ['a_b:2', 'a_b'],
    ['10.0.0.1:3', '10.0.0.1'],
  ]) {
    const [first = '', port] = bootstrapServer(server!).split(':');
    assert.equal(hostOf(first), host);
    assert.equal(port, server!.split(':').at(-1));
  }
});

test('text is encoded as Java does', () => {
  const text = 'aü€😀';
  const hex = (charset: string) => encoderOf(charset)(text).toString('hex');
  assert.equal(hex('UTF-8'), '61c3bce282acf09f9880');
  assert.equal(hex(''), '61c3bce282acf09f9880');
  assert.equal(hex('ISO-8859-1'), '61fc3f3f');
  assert.equal(hex('US-ASCII'), '613f3f3f');
  assert.equal(hex('UTF-16'), 'feff006100fc20acd83dde00');
  assert.equal(hex('UTF-16BE'), '006100fc20acd83dde00');
  assert.equal(hex('UTF-16LE'), '6100fc00ac203dd800de');
});
