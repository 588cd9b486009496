import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { kafkaSecurity } from '../../src/bus/kafka-security.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { type Certificate, certificateAuthority } from '../helpers/certificates.ts';
import { FaultProxy } from '../helpers/fault-proxy.ts';
import { onEnd } from '../helpers/on-end.ts';
import { OwnKafka } from '../helpers/own-kafka.ts';
import { PenstockRun } from '../helpers/penstock.ts';
import { receiver } from '../helpers/receiver.ts';
import { installationForTests, type RoleRun } from '../helpers/roles.ts';
import { serverForTests } from '../helpers/server-for-tests.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const PASSWORD = 'p&s:ö s3cret';
const USERS = { penstock: PASSWORD };

interface Certificates {
  readonly ca: string;
  readonly broker: Certificate;
  readonly client: Certificate;
}
let certificates: Certificates | undefined;

/** A Kafka with secured listeners; the one to which passwords go can be cut off. */
const server = serverForTests(async (dataDir) => {
  const { ca, broker: certificate } = certificates!;
  await using stack = new AsyncDisposableStack();
  let link: FaultProxy | undefined;
  const advertise = async (port: number) => {
    link = stack.use(await FaultProxy.start('127.0.0.1', port));
    return link.port;
  };
  const kafka = stack.use(
    await OwnKafka.start({
      dataDir,
      users: USERS,
      listeners: {
        PLAIN: { protocol: 'PLAINTEXT' },
        MISNAMED: { protocol: 'SSL', certificate, advertisedHost: 'localhost' },
        MTLS: { protocol: 'SSL', certificate, clientAuthority: ca },
        SASL: { protocol: 'SASL_PLAINTEXT' },
        SASL_SSL: { protocol: 'SASL_SSL', certificate, advertise },
      },
    }),
  );
  const all = stack.move();
  return { kafka, link: link!, [Symbol.asyncDispose]: () => all.disposeAsync() };
});

/** The Kafka, and settings that let a node in. */
async function world(t: TestContext) {
  if (!certificates) {
    const { ca, issue } = await certificateAuthority(t);
    certificates = { ca, broker: issue('broker'), client: issue('client') };
  }
  const { kafka, link } = await server();
  const directory = await temporaryDirectory(t);
  const put = async (name: string, text: string) => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };
  const tls = {
    PENSTOCK_KAFKA_TLS: 'true',
    PENSTOCK_KAFKA_TLS_CA_FILE: await put('ca.crt', certificates.ca),
  };
  const mutual = {
    ...tls,
    PENSTOCK_KAFKA_TLS_CERT_FILE: await put('client.crt', certificates.client.cert),
    PENSTOCK_KAFKA_TLS_KEY_FILE: await put('client.key', certificates.client.key),
  };
  const login = (mechanism: string) => ({
    PENSTOCK_KAFKA_SASL_MECHANISM: mechanism,
    PENSTOCK_KAFKA_SASL_USERNAME: 'penstock',
  });
  const at = (listener: string, host = '127.0.0.1') => ({
    TB_KAFKA_SERVERS: `${host}:${kafka.ports[listener]}`,
  });
  return { kafka, link, put, tls, mutual, login, at };
}

async function ready(node: RoleRun): Promise<string> {
  return (await fetch(`http://${node.address('HTTP')}/health/ready`)).text();
}

test('messages are delivered over TLS and logins; a password that changes in its file is used from then on', {
  timeout: 120_000,
}, async (t) => {
  const { kafka, link, put, tls, mutual, login, at } = await world(t);
  const { start } = await installationForTests(t, { brokersOf: () => kafka.internal });
  const file = { PENSTOCK_KAFKA_SASL_PASSWORD_FILE: await put('password', `${PASSWORD}\n`) };
  const controlPlane = await start('control-plane', 'cp', { ...at('MTLS'), ...mutual });
  const far = { TB_KAFKA_SERVERS: `${at('SASL').TB_KAFKA_SERVERS},far.example:9092` };
  const [ingress, executor] = await Promise.all([
    start('ingress', 'in', {
      ...far,
      ...login('PLAIN'),
      PENSTOCK_KAFKA_SASL_PASSWORD: PASSWORD,
    }),
    start('executor', 'ie', { ...at('SASL_SSL'), ...tls, ...login('SCRAM-SHA-512'), ...file }),
  ]);
  const endpoint = await receiver(t);
  using integrations = createClient(IntegrationService, controlPlane.address('gRPC'));
  using messages = createClient(MessageService, ingress.address('gRPC'));
  const configuration = {
    case: 'http' as const,
    value: { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true },
  };
  const integration = { name: 'secured', enabled: true, topicFilters: ['a/#'], configuration };
  await integrations.createIntegration({ integration });
  const publish = (topicName: string) =>
    messages.publishMessage({ topicName, payload: Buffer.from(`"${topicName}"`) });
  const arrives = async (topicName: string) => {
    await waitUntil('it matches', async () => (await publish(topicName)).matchedIntegrations === 1);
    await waitUntil(`${topicName} arrives`, () => endpoint.bodies().includes(topicName), 20_000);
  };
  await arrives('a/1');

  await put('password', 'wrong');
  link.cut();
  const told =
    /^kafka: .*SASL SCRAM SHA512 authentication failed.*: check PENSTOCK_KAFKA_SASL_USERNAME and PENSTOCK_KAFKA_SASL_PASSWORD/m;
  await waitUntil('it says why', async () => told.test(await ready(executor)), 30_000);
  await put('password', PASSWORD);
  await waitUntil('it is let in again', async () => (await ready(executor)) === 'ready\n', 30_000);
  assert.match(executor.errors, /files have changed, and were read anew/);
  await arrives('a/2');
  for (const node of [controlPlane, ingress, executor]) assert.doesNotMatch(node.output, /s3cret/);
  assert.match(
    await ready(ingress),
    /^ready\nwarning: the password for Kafka goes to far\.example:9092 in clear/,
  );
  assert.equal(await ready(controlPlane), 'ready\n');
});

test('a start that Kafka refuses, or that does not trust it, ends with the setting to look at', {
  timeout: 120_000,
}, async (t) => {
  const { put, tls, mutual, login, at } = await world(t);
  const other = await certificateAuthority(t);
  const untrusting = { ...tls, PENSTOCK_KAFKA_TLS_CA_FILE: await put('other.crt', other.ca) };
  const foreign = other.issue('client');
  const stranger = {
    ...mutual,
    PENSTOCK_KAFKA_TLS_CERT_FILE: await put('foreign.crt', foreign.cert),
    PENSTOCK_KAFKA_TLS_KEY_FILE: await put('foreign.key', foreign.key),
  };
  const wrong = { PENSTOCK_KAFKA_SASL_PASSWORD: 'n0t-the-password' };
  const certificate = /alert .*: set PENSTOCK_KAFKA_TLS_CERT_FILE and PENSTOCK_KAFKA_TLS_KEY_FILE/;
  const credentials = /authentication failed.*: check PENSTOCK_KAFKA_SASL_USERNAME and PENSTOCK_KAFKA_SASL_/;
  const rows: readonly (readonly [env: NodeJS.ProcessEnv, expected: RegExp])[] = [
    [{ ...at('SASL_SSL'), ...untrusting, ...login('PLAIN'), ...wrong }, /: set PENSTOCK_KAFKA_TLS_CA_FILE/],
    [{ ...at('SASL_SSL'), ...tls, ...login('PLAIN'), ...wrong }, credentials],
    [{ ...at('SASL_SSL'), ...tls, ...login('SCRAM-SHA-256'), ...wrong }, credentials],
    [{ ...at('SASL_SSL'), ...tls }, /: it may want TLS or a login: set .* PENSTOCK_KAFKA_SASL_MECHANISM/],
    [
      { ...at('SASL_SSL', 'localhost'), ...tls, ...login('PLAIN'), ...wrong },
      /: name it in TB_KAFKA_SERVERS/,
    ],
    [{ ...at('MISNAMED'), ...tls }, /does not match certificate.*, and in advertised\.listeners of Kafka/],
    [{ ...at('MTLS'), ...tls }, certificate],
    [{ ...at('MTLS'), ...stranger }, certificate],
    [at('MTLS'), /: it may want TLS or a login: set PENSTOCK_KAFKA_TLS/],
    [{ ...at('PLAIN'), ...tls }, /: this listener may not speak TLS: unset PENSTOCK_KAFKA_TLS/],
    [{ ...at('PLAIN'), ...login('PLAIN'), ...wrong }, /: this listener wants no login: unset/],
  ];
  await Promise.all(
    rows.map(async ([env, expected]) => {
      const run = new PenstockRun(['executor'], { ...env, PENSTOCK_GRPC_PORT: '0', PENSTOCK_HTTP_PORT: '0' });
      onEnd(t, () => run.release());
      assert.equal(await run.end(60_000), 1);
      const lines = run.errors.trim().split('\n');
      assert.match(lines.at(-1) ?? '', /^penstock: cannot reach Kafka at \S+: /);
      assert.match(lines.at(-1) ?? '', expected);
      assert.equal(lines.length, 1, run.errors);
      assert.doesNotMatch(run.output, /n0t-the-password/);
    }),
  );
});

test('the certificate that Kafka is shown is the one in the files, once both of them have changed', async (t) => {
  const { put, mutual, at } = await world(t);
  const { client } = certificates!;
  const stranger = (await certificateAuthority(t)).issue('client');
  const deps = testDeps();
  const settings = readSettings({}, { ...at('MTLS'), ...mutual });
  const connection = { brokers: settings.TB_KAFKA_SERVERS, clientId: 'test', replication: 1 };
  await using bus = createKafkaBus({ ...connection, ...kafkaSecurity(settings, deps.logger) }, deps);
  await bus.listTopics();
  await put('client.crt', stranger.cert);
  await bus.listTopics();
  await put('client.key', stranger.key);
  await assert.rejects(bus.listTopics(), /alert certificate unknown|alert unknown ca/);
  await put('client.crt', client.cert);
  await put('client.key', client.key);
  await bus.listTopics();
});
