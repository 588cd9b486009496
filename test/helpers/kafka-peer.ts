import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { type Certificate, type ServerCertificate, serverCertificate } from './certificates.ts';
import { FaultProxy } from './fault-proxy.ts';
import { outbound } from './handler.ts';
import { onEnd } from './on-end.ts';
import { type Listener, OwnKafka } from './own-kafka.ts';
import {
  type Configuration,
  PASSWORDS,
  type Peer,
  type PeerOptions,
  type PeerType,
  USERNAME,
} from './peer.ts';
import { serverForTests } from './server-for-tests.ts';
import { testDeps } from './test-deps.ts';

/** The largest batch that the topics take: more than the tests send, less than what is to be refused. */
const MAX_MESSAGE_BYTES = 100_000;
const KINDS: readonly ServerCertificate[] = ['valid', 'expired', 'of another name', 'of another authority'];
type Certificates = ReadonlyMap<ServerCertificate, Certificate & { readonly ca: string }>;

/** A Kafka with a topic for each test. */
export const kafka: PeerType = { start, without: {} };

let certificates: Promise<Certificates> | undefined;
const proxies = new Map<string, FaultProxy>();
const nameOf = (kind: ServerCertificate) => kind.toUpperCase().replaceAll(' ', '_');

/** One for all tests of this process, with a listener of each kind behind a proxy: it tells clients the proxy's address. */
const server = serverForTests(async (dataDir) => {
  const advertise = (name: string) => async (port: number) => {
    proxies.set(name, await FaultProxy.start('127.0.0.1', port));
    return proxies.get(name)!.port;
  };
  const tls = [...(await certificates!)].map(([kind, certificate]): [string, Listener] => [
    nameOf(kind),
    { protocol: 'SSL', certificate, advertise: advertise(nameOf(kind)) },
  ]);
  const stack = new AsyncDisposableStack();
  stack.defer(async () => {
    for (const proxy of proxies.values()) await proxy[Symbol.asyncDispose]();
  });
  const started = await OwnKafka.start({
    dataDir,
    users: { [USERNAME]: PASSWORDS.right },
    listeners: {
      PLAIN: { protocol: 'PLAINTEXT', advertise: advertise('PLAIN') },
      SASL: { protocol: 'SASL_PLAINTEXT', advertise: advertise('SASL') },
      ...Object.fromEntries(tls),
    },
  });
  stack.use(started);
  return { kafka: started, [Symbol.asyncDispose]: () => stack.disposeAsync() };
});

async function start(t: TestContext, { certificate, password }: PeerOptions = {}): Promise<Peer> {
  certificates ??= Promise.all(
    KINDS.map(async (kind) => [kind, await serverCertificate(t, kind)] as const),
  ).then((pairs) => new Map(pairs));
  const { kafka } = await server();
  const network = proxies.get(certificate ? nameOf(certificate) : password ? 'SASL' : 'PLAIN')!;
  onEnd(t, () => network.set({}));
  network.opened = 0;
  const topic = randomUUID();
  const bus = createKafkaBus({ brokers: [kafka.internal], clientId: 'reader', replication: 1 }, testDeps());
  onEnd(t, () => bus[Symbol.asyncDispose]());
  const config = { 'max.message.bytes': String(MAX_MESSAGE_BYTES) };
  await bus.createTopics([{ name: topic, schema: EnvelopeSchema, partitions: 1, config }]);
  const ca = certificate && (await certificates).get(certificate)?.ca;
  const at = (host: string): Configuration => ({
    case: 'kafka',
    value: {
      bootstrapServers: [`${host}:${network.port}`],
      topic,
      sendOnlyMsgPayload: true,
      otherProperties: { 'reconnect.backoff.max.ms': '100' },
      ...(ca && { tls: { caCert: ca } }),
      ...(password && { sasl: { mechanism: 1, username: USERNAME, password: PASSWORDS[password] } }),
    },
  });
  return {
    configuration: at('127.0.0.1'),
    at,
    network,
    payloads: reader(bus, topic),
    refused: outbound('x'.repeat(2 * MAX_MESSAGE_BYTES)),
    stop: () => kafka.stop(),
    start: () => kafka.start(),
  };
}

/** Reads the payloads of a topic, each once. */
function reader(bus: Bus, topic: string): () => Promise<readonly string[]> {
  const payloads: string[] = [];
  return async () => {
    const { end = 0 } = (await bus.offsets(topic)).get(0) ?? {};
    if (end > payloads.length) {
      await bus.read({
        topic,
        ranges: new Map([[0, { start: payloads.length, end }]]),
        async eachBatch(batch) {
          for (const { value } of batch) payloads.push(value === null ? '' : Buffer.from(value).toString());
        },
      });
    }
    return payloads;
  };
}
