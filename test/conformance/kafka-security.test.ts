import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import kafkajs from 'kafkajs';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import {
  KafkaAcks,
  KafkaCompression,
  type KafkaConfiguration,
  type KafkaConfigurationSchema,
  KafkaSaslMechanism,
} from '../../gen/penstock/v1/kafka_pb.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { stopBusyTimer } from '../../src/kafkajs/request-queue.ts';
import type { TargetGuard } from '../../src/runtime/target-guard.ts';
import { type Certificate, certificateAuthority } from '../helpers/certificates.ts';
import { bound, connected, contextOf, failureOf, never, outbound } from '../helpers/handler.ts';
import { consoleConsumer } from '../helpers/kafka-tools.ts';
import { OwnKafka } from '../helpers/own-kafka.ts';
import { serverForTests } from '../helpers/server-for-tests.ts';
import { tokenEndpoint } from '../helpers/token-endpoint.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type Config = Exclude<MessageInitShape<typeof KafkaConfigurationSchema>, KafkaConfiguration>;

const { PLAIN, SCRAM_SHA_256, SCRAM_SHA_512, OAUTHBEARER } = KafkaSaslMechanism;
const USERS = { penstock: 'p&s:ö s3cret', bob: 'b0b' };

interface Certificates {
  readonly ca: string;
  readonly broker: Certificate;
  readonly client: Certificate;
}
let certificates: Promise<Certificates> | undefined;

const server = serverForTests(async (dataDir) => {
  const { ca, broker: certificate } = await certificates!;
  const kafka = await OwnKafka.start({
    dataDir,
    users: USERS,
    listeners: {
      PLAINTEXT: { protocol: 'PLAINTEXT' },
      SSL: { protocol: 'SSL', certificate },
      MTLS: { protocol: 'SSL', certificate, clientAuthority: ca },
      SASL_PLAINTEXT: { protocol: 'SASL_PLAINTEXT' },
      SASL_SSL: { protocol: 'SASL_SSL', certificate },
    },
  });
  return { kafka, dataDir, [Symbol.asyncDispose]: () => kafka.stop() };
});

/** The Kafka, an administrator of it, and configurations that get in. */
async function world(t: TestContext) {
  certificates ??= certificateAuthority(t).then(({ ca, issue }) => ({
    ca,
    broker: issue('broker'),
    client: issue('client'),
  }));
  const { ca, client } = await certificates;
  const { kafka, dataDir } = await server();
  stopBusyTimer();
  const admin = new kafkajs.Kafka({ brokers: [kafka.internal], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  t.after(() => admin.disconnect());
  const at = (listener: string, config: Config = {}) => ({
    case: 'kafka' as const,
    value: { bootstrapServers: [`127.0.0.1:${kafka.ports[listener]}`], ...config },
  });
  const tls = { caCert: ca };
  const sasl = (mechanism: KafkaSaslMechanism, username: keyof typeof USERS = 'penstock') => ({
    mechanism,
    username,
    password: USERS[username],
  });
  return {
    kafka,
    dataDir,
    admin,
    at,
    tls,
    sasl,
    client,
    check: (config: ReturnType<typeof at>) => bound(config).check(contextOf(), never),
  };
}

/** The number of the compression in the first batch of a topic, out of the broker's own file. */
async function compressionOf(dataDir: string, topic: string): Promise<number> {
  await using file = await open(join(dataDir, 'data', `${topic}-0`, '00000000000000000000.log'));
  const head = Buffer.alloc(23);
  await file.read(head, 0, head.length, 0);
  return head.readInt16BE(21) & 7;
}

test('every compression, with every acks, over every security, is read by the Java consumer', {
  timeout: 115_000,
}, async (t) => {
  const { kafka, dataDir, admin, at, tls, sasl, client } = await world(t);
  const endpoint = await tokenEndpoint(t, 'penstock', USERS.penstock);
  const oauth = { ...sasl(OAUTHBEARER), tokenEndpointUrl: endpoint.url };
  const mechanisms = {
    PLAIN: sasl(PLAIN),
    'SCRAM-256': sasl(SCRAM_SHA_256),
    'SCRAM-512': sasl(SCRAM_SHA_512),
    OAUTHBEARER: oauth,
  };
  const securities: Record<string, readonly [listener: string, config: Config]> = {
    PLAINTEXT: ['PLAINTEXT', {}],
    TLS: ['SSL', { tls }],
    mTLS: ['MTLS', { tls: { ...tls, cert: client.cert, privateKey: client.key.replaceAll('\n', '\\n') } }],
  };
  for (const [name, one] of Object.entries(mechanisms)) {
    securities[name] = ['SASL_PLAINTEXT', { sasl: one }];
    securities[`${name} over TLS`] = ['SASL_SSL', { sasl: one, tls }];
  }
  const compressions = {
    none: KafkaCompression.NONE,
    gzip: KafkaCompression.GZIP,
    snappy: KafkaCompression.SNAPPY,
    lz4: KafkaCompression.LZ4,
    zstd: KafkaCompression.ZSTD,
  };
  const acknowledgements = { all: KafkaAcks.ALL, leader: KafkaAcks.LEADER, none: KafkaAcks.NONE };
  const run = randomUUID();
  const topicOf = (compression: string) => `${run}-${compression}`;
  await admin.createTopics({
    topics: Object.keys(compressions).map((name) => ({ topic: topicOf(name), numPartitions: 1 })),
  });
  const expected: string[] = [];
  for (const [security, [listener, config]] of Object.entries(securities)) {
    await Promise.all(
      Object.entries(compressions).flatMap(([name, compression]) =>
        Object.entries(acknowledgements).map(async ([acknowledgement, acks]) => {
          const key = `${security}, ${name}, ${acknowledgement}`;
          const handler = await connected(
            t,
            at(listener, {
              ...config,
              topic: topicOf(name),
              key,
              compression,
              acks,
              sendOnlyMsgPayload: true,
            }),
          );
          const payloads = [1, 2, 3].map((i) => `${i} ${'grüße '.repeat(50)}`);
          assert.deepEqual(
            await handler.deliver(
              payloads.map((one) => outbound(one)),
              never,
            ),
            payloads.map(() => DELIVERED),
            key,
          );
          expected.push(...payloads.map((payload) => `${key}\t${payload}`));
        }),
      ),
    );
  }
  assert.equal(expected.length, 11 * 5 * 3 * 3);
  const arrived = async () => {
    const ends = await Promise.all(
      Object.keys(compressions).map((name) => admin.fetchTopicOffsets(topicOf(name))),
    );
    return ends.flat().reduce((sum, { high }) => sum + Number(high), 0);
  };
  await waitUntil('what nobody acknowledges has arrived', async () => (await arrived()) === expected.length);
  const lines = await consoleConsumer(kafka.internal, `${run}-.*`, expected.length, { 'print.key': 'true' });
  assert.deepEqual(lines.toSorted(), expected.toSorted());
  for (const [name, number] of Object.entries({ none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 })) {
    assert.equal(await compressionOf(dataDir, topicOf(name)), number, name);
  }
});

test('what the credentials may not do is told, and worth another try', async (t) => {
  const { admin, at, sasl } = await world(t);
  const topic = randomUUID();
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] });
  const handler = await connected(t, at('SASL_PLAINTEXT', { topic, sasl: sasl(PLAIN, 'bob') }));
  const acl = (operation: kafkajs.AclOperationTypes, permissionType: kafkajs.AclPermissionTypes) => ({
    resourceType: kafkajs.AclResourceTypes.TOPIC,
    resourceName: topic,
    resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
    principal: 'User:bob',
    host: '*',
    operation,
    permissionType,
  });
  const { ALLOW, DENY } = kafkajs.AclPermissionTypes;
  const { DESCRIBE, WRITE } = kafkajs.AclOperationTypes;
  await admin.createAcls({ acl: [acl(DESCRIBE, ALLOW), acl(WRITE, DENY)] });
  const deliver = async () => (await handler.deliver([outbound('one'), outbound('two')], never))[0];
  await waitUntil('the broker denies it', async () => (await deliver()) !== DELIVERED);
  const { failureClass, reason } = failureOf(await deliver());
  assert.equal(failureClass, FailureClass.UNAVAILABLE);
  assert.match(reason, new RegExp(`topic ${topic}: Not authorized .*: allow the user`));
  await admin.deleteAcls({ filters: [acl(WRITE, DENY)] });
  await admin.createAcls({ acl: [acl(WRITE, ALLOW)] });
  await waitUntil('it is allowed', async () => (await deliver()) === DELIVERED);
});

test('credentials that are refused are told by mechanism, in a check and in a start', async (t) => {
  const { at, sasl } = await world(t);
  for (const mechanism of [PLAIN, SCRAM_SHA_256, SCRAM_SHA_512]) {
    const configuration = at('SASL_PLAINTEXT', {
      sasl: { ...sasl(mechanism), password: 'n0t-the-password' },
    });
    const { reachable, message } = await bound(configuration).check(contextOf(), never);
    assert.equal(reachable, false);
    assert.match(
      message,
      /SASL (PLAIN|SCRAM SHA(256|512)) authentication failed.*: check the credentials in sasl$/,
    );
    await assert.rejects(connected(t, configuration), /authentication failed/);
    assert.ok(!message.includes('n0t-the-password'));
  }
});

test('a listener that wants something else is told', async (t) => {
  const { at, tls, sasl, client } = await world(t);
  const rows: readonly (readonly [listener: string, config: Config, expected: RegExp])[] = [
    ['SSL', {}, /the broker did so, which may want TLS/],
    ['SSL', { tls: {} }, /unable to verify the first certificate.*: put the authority .* into tls\.ca_cert/],
    ['PLAINTEXT', { tls }, /this listener may not speak TLS/],
    ['MTLS', { tls }, /alert (bad certificate|certificate required).*: the broker wants a certificate/],
    ['SASL_PLAINTEXT', {}, /the broker did so, which may want TLS or credentials/],
    ['PLAINTEXT', { sasl: sasl(PLAIN) }, /this listener wants no credentials/],
  ];
  for (const [listener, config, expected] of rows) {
    const { reachable, message } = await bound(at(listener, config)).check(contextOf(), never);
    assert.equal(reachable, false);
    assert.match(message, expected);
  }
  const { reachable } = await bound(
    at('MTLS', { tls: { ...tls, cert: client.cert, privateKey: client.key } }),
  ).check(contextOf(), never);
  assert.equal(reachable, true);
});

test('the Java properties of TLS do what the fields do', async (t) => {
  const { at, tls } = await world(t);
  const check = async (properties: Record<string, string>) =>
    (await bound(at('SSL', { otherProperties: properties })).check(contextOf(), never)).reachable;
  const trusted = {
    'security.protocol': 'SSL',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.certificates': tls.caCert,
  };
  assert.equal(await check(trusted), true);
  assert.equal(await check({ ...trusted, 'ssl.enabled.protocols': 'TLSv1.2' }), true);
  assert.equal(await check({ 'security.protocol': 'SSL' }), false);
  const { kafka } = await server();
  const named = (properties: Record<string, string>) => {
    const otherProperties = { ...trusted, ...properties };
    const bootstrapServers = [`localhost:${kafka.ports.SSL}`];
    return bound({ case: 'kafka', value: { bootstrapServers, otherProperties } }).check(contextOf(), never);
  };
  assert.match((await named({})).message, /does not match certificate/);
  assert.equal((await named({ 'ssl.endpoint.identification.algorithm': '' })).reachable, true);
});

test('a token is kept, and renewed before the brokers end its session', async (t) => {
  const { admin, at, sasl } = await world(t);
  const topic = randomUUID();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  const endpoint = await tokenEndpoint(t, 'penstock', USERS.penstock);
  const config = {
    topic,
    sasl: { ...sasl(OAUTHBEARER), tokenEndpointUrl: endpoint.url, scopes: ['kafka', 'write'] },
  };
  endpoint.lifetime = 16; // another one is shown a little before its session ends
  let connections = 0;
  const { guard } = contextOf();
  const connect: TargetGuard['connect'] = (target) => {
    connections++;
    return guard.connect(target);
  };
  const handler = await connected(t, at('SASL_PLAINTEXT', config), { guard: { ...guard, connect } });
  const deliver = async () => (await handler.deliver([outbound('hello')], never))[0];
  assert.equal(await deliver(), DELIVERED);
  const before = connections;
  assert.equal(endpoint.asked, 1);
  assert.equal(endpoint.scopes, 'kafka write');
  await waitUntil(
    'another token is asked for',
    async () => {
      assert.equal(await deliver(), DELIVERED);
      return endpoint.asked > 1;
    },
    20_000,
  );
  for (let i = 0; i < 20; i++) assert.equal(await deliver(), DELIVERED);
  assert.equal(connections, before + 1, 'to the token endpoint alone');
  const wrong = at('SASL_PLAINTEXT', { ...config, sasl: { ...config.sasl, password: 'n0t-the-secret' } });
  const { reachable, message } = await bound(wrong).check(contextOf(), never);
  assert.equal(reachable, false);
  assert.match(message, /gave no token: it answered 401: invalid_client/);
  assert.ok(!message.includes('n0t-the-secret'));
});
