import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { DownlinkRecordSchema } from '../gen/penstock/v1/downlink_pb.ts';
import { EnvelopeSchema } from '../gen/penstock/v1/envelope_pb.ts';
import type { IntegrationSchema } from '../gen/penstock/v1/integration_pb.ts';
import type { Bus } from '../src/bus/bus.ts';
import { createKafkaBus } from '../src/bus/kafka-bus.ts';
import { topicsOf } from '../src/bus/topics.ts';
import { TYPES, type Type } from '../src/contract/integration-type.ts';
import { freePorts } from '../src/dev/free-port.ts';
import { startKafka } from '../src/dev/kafka-server.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { createLogger } from '../src/runtime/logger.ts';
import { NameResolver } from '../src/runtime/name-resolver.ts';
import { MeasuredChild } from './child.ts';

export const topics = topicsOf('bench');
const CLIENTS = 1000;
/** How often the executor is asked how many it has delivered, in milliseconds. */
const POLL = 50;

/** A Kafka and an executor process of one type; the benchmark itself plays control plane and ingress. */
export interface Rig {
  /** The Kafka's bootstrap server. */
  readonly kafka: string;
  readonly bus: Bus;
  readonly executor: MeasuredChild;
  /** Where the executor serves its metrics. */
  readonly metricsUrl: string;
}

/** With an HTTP endpoint process. */
export interface HttpRig extends Rig {
  readonly sink: MeasuredChild;
  readonly url: string;
}

export async function openRig(stack: AsyncDisposableStack, type: Type): Promise<Rig> {
  const dataDir = await mkdtemp(join(tmpdir(), 'penstock-bench-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const kafka = stack.use(
    await startKafka({ dataDir, isOpen: true, progress: () => {}, clock: systemClock }),
  );
  const logger = createLogger('error', systemClock, (line) => process.stderr.write(line));
  const resolver = new NameResolver({ clock: systemClock });
  const deps = { clock: systemClock, logger, resolver, random: Math.random };
  const brokers = [kafka.bootstrapServers];
  const bus = stack.use(createKafkaBus({ brokers, clientId: 'bench', replication: 1 }, deps));
  const shared = TYPES.flatMap((type) => [topics.downlink(type), topics.validation(type)]);
  await bus.createTopics([...shared, topics.uplink]);
  const [port] = await freePorts(1);
  const executor = stack.use(
    new MeasuredChild('../src/main.ts', ['executor', '--grpc-port', '0', '--http-port', String(port)], {
      TB_KAFKA_SERVERS: kafka.bootstrapServers,
      PENSTOCK_KAFKA_PREFIX: 'bench',
      PENSTOCK_LOG_LEVEL: 'error',
      TB_SERVICE_INTEGRATIONS_SUPPORTED: type,
    }),
  );
  const metricsUrl = `http://127.0.0.1:${port}/metrics`;
  await answers(metricsUrl);
  return { kafka: kafka.bootstrapServers, bus, executor, metricsUrl };
}

async function answers(url: string): Promise<void> {
  const isThere = () =>
    fetch(url).then(
      (response) => response.text(),
      () => undefined,
    );
  while ((await isThere()) === undefined) await sleep(POLL);
}

export async function openHttpRig(stack: AsyncDisposableStack): Promise<HttpRig> {
  const rig = await openRig(stack, 'http');
  const sink = stack.use(new MeasuredChild('./http-sink.ts'));
  const { address } = await sink.message<{ address: { port: number } }>('address');
  return { ...rig, sink, url: `http://127.0.0.1:${address.port}/in` };
}

/** How many messages of an integration the executor has delivered. */
export async function delivered({ metricsUrl }: Rig, id: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  const found = new RegExp(
    `^penstock_integration_messages_total\\{integration="${id}",result="delivered"\\} (\\d+)$`,
    'm',
  );
  return Number(found.exec(text)?.[1] ?? 0);
}

/** Waits until it has delivered so many; answers how many it has then. */
export async function reached(rig: Rig, id: string, wanted: number): Promise<number> {
  for (;;) {
    const count = await delivered(rig, id);
    if (count >= wanted) return count;
    await sleep(POLL);
  }
}

/** Tells the endpoint how many requests are to come; `arrived` resolves when they have. */
export async function expectRequests(
  sink: MeasuredChild,
  count: number,
): Promise<{ arrived: Promise<unknown> }> {
  const armed = sink.message<{ armed: number }>('armed');
  const arrived = sink.message<{ done: number }>('done');
  sink.process.send({ expect: count });
  await armed;
  return { arrived };
}

/** Lets the endpoint answer nothing, or all that it has not answered; tells how many requests have come to it. */
export async function hold(sink: MeasuredChild, isHeld: boolean): Promise<number> {
  const answer = sink.message<{ arrivedSoFar: number }>('arrivedSoFar');
  sink.process.send({ hold: isHeld });
  return (await answer).arrivedSoFar;
}

type IntegrationInit = MessageInitShape<typeof IntegrationSchema>;

/** Makes the topic of an integration and fills it with messages. */
export async function prepare(bus: Bus, messages: number, bytes: number, clients = CLIENTS): Promise<string> {
  const id = randomUUID();
  const topic = topics.messages(id);
  await bus.createTopics([topic]);
  const payload = new Uint8Array(bytes).fill(120);
  const atATime = Math.max(10, Math.min(5000, 16_000_000 / bytes));
  const sends: Promise<void>[] = [];
  for (let n = 0; n < messages; n++) {
    const client = n % clients;
    sends.push(bus.send(topic.name, { key: `client-${client}`, value: envelopeBytes(client, payload) }));
    if (sends.length >= atATime) await Promise.all(sends.splice(0));
  }
  await Promise.all(sends);
  return id;
}

export function envelopeBytes(n: number, payload: Uint8Array): Uint8Array {
  return toBinary(
    EnvelopeSchema,
    create(EnvelopeSchema, {
      topicName: `sensors/${n % CLIENTS}/temperature`,
      clientId: `client-${n % CLIENTS}`,
      payload,
      qos: 1,
      node: 'bench',
      receivedTime: timestampFromMs(Date.now()),
      userProperties: [{ key: 'unit', value: 'celsius' }],
    }),
  );
}

type Configuration = Extract<NonNullable<IntegrationInit['configuration']>, { case: Type }>;

/** Lets an executor run the integration, from what its topic holds on. */
export function enable(
  bus: Bus,
  id: string,
  configuration: Configuration,
  delivery: IntegrationInit['delivery'],
): Promise<void> {
  const record = create(DownlinkRecordSchema, {
    integration: {
      id,
      name: 'bench',
      enabled: true,
      topicFilters: ['#'],
      generation: 1n,
      configuration,
      ...(delivery ? { delivery } : {}),
    },
  });
  const { name } = topics.downlink(configuration.case);
  return bus.send(name, { key: id, value: toBinary(DownlinkRecordSchema, record) });
}

export function disable(bus: Bus, id: string, type: Type): Promise<void> {
  return bus.send(topics.downlink(type).name, { key: id, value: null });
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
