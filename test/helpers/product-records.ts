import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { mock } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import type { Order } from '../../gen/penstock/v1/delivery_pb.ts';
import { OrderSchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { DownlinkRecordSchema, ValidationRequestSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { DeadLetterSchema, EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import {
  type Integration,
  IntegrationSchema,
  IntegrationType,
} from '../../gen/penstock/v1/integration_pb.ts';
import { ReceivedMessageSchema } from '../../gen/penstock/v1/session_pb.ts';
import {
  LifecycleAction,
  UplinkRecordSchema,
  ValidationResponseSchema,
} from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus, Claim, FeedOptions, JoinOptions, Membership } from '../../src/bus/bus.ts';
import { reportNode } from '../../src/bus/node-reports.ts';
import type { Question } from '../../src/bus/request-reply.ts';
import { validate } from '../../src/control-plane/integrations/checks.ts';
import { downlinkRows, tombstones, withPublishedTime } from '../../src/control-plane/outbox/downlink.ts';
import { answerChecks } from '../../src/executor/checks.ts';
import { DeadLetters } from '../../src/executor/delivery/dead-letters.ts';
import type { InFlight } from '../../src/executor/delivery/window.ts';
import { Reporter } from '../../src/executor/uplink/reporter.ts';
import { createFanOut } from '../../src/ingress/fan-out.ts';
import { reportFilters } from '../../src/ingress/filter-reports.ts';
import { ReceivedNotes } from '../../src/ingress/listener/received-notes.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { EXECUTOR } from './executor.ts';
import { type GoldenRecord, golden, ID, NOW, SERVICE_ID, type Sent, topics, world } from './golden-record.ts';
import { waitUntil } from './wait-until.ts';

const { signal } = new AbortController();

const integration = (maxExecutors: number): Integration =>
  create(IntegrationSchema, {
    id: ID,
    name: 'to http',
    enabled: true,
    topicFilters: ['sensors/+/temperature'],
    delivery: { maxExecutors },
    generation: 7n,
    configuration: { case: 'http', value: { restEndpointUrl: 'https://example.org/in' } },
  });

/** One message, in an integration of each kind of order. */
async function envelopes(): Promise<Record<string, GoldenRecord>> {
  const { deps, sent } = world();
  const orders: Record<string, Order | undefined> = {
    client: undefined,
    topic: create(OrderSchema, { key: { case: 'topic', value: {} } }),
    property: create(OrderSchema, { key: { case: 'userProperty', value: 'device' } }),
    none: create(OrderSchema, { key: { case: 'none', value: {} } }),
  };
  const destinations = Object.values(orders).map((order) => ({ topic: topics.messages(ID).name, order }));
  const fanOut = createFanOut({
    ...deps,
    filters: { match: () => new Set(destinations) },
    node: SERVICE_ID,
    newId: () => new Uint8Array(16).fill(7),
  });
  await fanOut({
    topicName: 'sensors/1/temperature',
    payload: Buffer.from('{"t":21.5}'),
    clientId: 'client 1',
    username: 'u',
    clientCertCn: 'cn',
    qos: 2,
    retain: true,
    userProperties: [
      { key: 'device', value: 'd1' },
      { key: 'penstock-hops', value: '3' },
    ],
    contentType: 'application/json',
    responseTopic: 'answers/1',
    correlationData: new Uint8Array([0, 255]),
    messageExpiryInterval: 4_000_000_000,
    payloadFormatIndicator: 1,
  });
  const records = Object.keys(orders).map((order, i) => [
    `a message, order by ${order}`,
    golden(EnvelopeSchema, sent[i]!),
  ]);
  return Object.fromEntries(records);
}

function downlink(): Record<string, GoldenRecord> {
  const stored = {
    integration: integration(2),
    sealed: [],
    type: 'http',
    topicState: 'withdrawn',
    topicIncarnation: 3,
  } as const;
  const rows = [
    ...downlinkRows(topics, stored, integration(3)),
    ...tombstones(topics, { ...stored, integration: integration(1) }),
  ];
  const names = [
    'an integration, shard 0',
    'an integration, shard 1',
    'a shard that is gone',
    'the tombstone of a shard',
    'an integration that is gone',
    'the tombstone of an integration',
  ];
  const records = names.map((name, i) => {
    const { topic, key, value } = rows[i]!;
    return [
      name,
      golden(DownlinkRecordSchema, { topic, key, value: value && withPublishedTime(value, NOW) }),
    ];
  });
  return Object.fromEntries(records);
}

async function uplink(): Promise<Record<string, GoldenRecord>> {
  const { deps, sent } = world();
  const reporter = new Reporter(deps);
  const subject = { integrationId: ID, shard: 1, generation: 7n };
  reporter.lifecycle(subject, { action: LifecycleAction.STARTED, success: true, reason: 'ok' });
  reporter.tell(subject, {
    case: 'error',
    value: { failureClass: FailureClass.REJECTED, message: 'HTTP 400', count: 2n },
  });
  reportFilters(deps)(ID, 7n);
  const node = {
    serviceId: SERVICE_ID,
    roles: [NodeRole.INGRESS],
    types: [IntegrationType.HTTP],
    startTime: NOW,
    deliveryDefaults: { retries: 5 },
  };
  const figures = async () => ({
    cpuSeconds: 1.5,
    rssBytes: 100_000_000n,
    eventLoopDelay: { nanos: 12_000_000 },
    mqttConnections: 7n,
    takenIn: 5n,
    unmatched: 4n,
    failed: 3n,
    dropped: 2n,
    refused: 1n,
  });
  const mqttWebSocketUrl = () => 'ws://127.0.0.1:8080/mqtt';
  await using reports = reportNode(node, { ...deps, figures, mqttWebSocketUrl });
  await reporter.stop(0);
  await waitUntil('all of them', () => sent.length === 4);
  const [lifecycle, error, filters, alive] = sent.map((one) =>
    golden(UplinkRecordSchema, withoutVersion(one)),
  );
  void reports;
  return {
    'a lifecycle report': lifecycle!,
    'an error report': error!,
    'a filters report': filters!,
    'a node report': alive!,
  };
}

/** That of Penstock, which is another one with each release. */
function withoutVersion(sent: Sent): Sent {
  const record = fromBinary(UplinkRecordSchema, sent.value!);
  if (record.report.case === 'node') record.report.value.version = '1.2.3';
  return { ...sent, value: toBinary(UplinkRecordSchema, record) };
}

async function validationRequest(): Promise<GoldenRecord> {
  const { promise, resolve } = Promise.withResolvers<Sent>();
  const requester = {
    replyTopic: topics.notifications(SERVICE_ID).name,
    async request(topic: string, { requestId: key, value }: Question) {
      resolve({ topic, key, value });
      throw new Error('nobody is there');
    },
  };
  const asked = validate(
    { requester, topics, checkTimeout: 5000 },
    { integration: integration(1), sealed: [] },
    {
      signal,
      timeoutMs: () => undefined,
    },
  );
  await asked.catch(() => {});
  return golden(ValidationRequestSchema, await promise);
}

/** What an executor answers to a question, here one whose configuration cannot work. */
async function validationReply(question: GoldenRecord): Promise<GoldenRecord> {
  const { deps, sent } = world();
  let group: JoinOptions | undefined;
  let feed: FeedOptions | undefined;
  const part: Partial<Bus> = {
    ...deps.bus,
    join: (options) => {
      group = options;
      const leave = async () => {};
      return { committed: async () => [], [Symbol.asyncDispose]: leave } as Partial<Membership> as Membership;
    },
    feed: (options) => {
      feed = options;
      return { resume() {}, backlog: async () => 0, [Symbol.dispose]() {} };
    },
  };
  const config = { ...EXECUTOR, serviceId: SERVICE_ID };
  const newGuard = () => createTargetGuard(true);
  await using reader = answerChecks(['http'], { ...deps, bus: part as Bus, config, newGuard }, signal);
  const place = { topic: question.topic, partition: 0 };
  const claim: Claim = { ...place, member: 'm', isOver: false, isHeld: () => true, async commit() {} };
  group!.onGained(claim);
  await waitUntil('the questions are read', () => feed !== undefined);
  const request = fromBinary(ValidationRequestSchema, Buffer.from(question.value!, 'hex'));
  request.integration!.topicFilters = ['a+'];
  const value = toBinary(ValidationRequestSchema, request);
  feed!.take({ ...place, offset: 0, timestamp: NOW, key: question.key, value });
  await waitUntil('there is an answer', () => sent.length > 0);
  void reader;
  return golden(ValidationResponseSchema, sent[0]!);
}

async function deadLetter(): Promise<GoldenRecord> {
  const { deps, sent } = world();
  const message = {
    value: Buffer.from('0a0161', 'hex'),
    key: 'client 1',
    attempts: 3,
    firstAttempt: NOW - 5000,
    partition: 1,
    offset: 42,
  };
  const failure = { delivered: false, failureClass: FailureClass.REJECTED, reason: 'HTTP 400' } as const;
  await new DeadLetters(ID, () => 7n, deps).keep(message as unknown as InFlight, failure, signal);
  return golden(DeadLetterSchema, sent[0]!);
}

async function notes(): Promise<Record<string, GoldenRecord>> {
  const { deps, sent } = world();
  const received = new ReceivedNotes(deps);
  await received.stored('client/1', 65_535, { digest: 0xffff_fffe, expiry: 90.5, origin: '10.0.0.1' });
  await received.released('client/1', 65_535);
  const [stored, released] = sent.map((one) => golden(ReceivedMessageSchema, one));
  return { 'a note of a message of QoS 2': stored!, 'a note that is taken back': released! };
}

/** What the parts of Penstock give to Kafka, made by themselves of what is always the same here. */
export async function productRecords(): Promise<Record<string, GoldenRecord>> {
  const uuids = mock.method(crypto, 'randomUUID', () => '01234567-89ab-4def-8123-456789abcdef');
  syncBuiltinESMExports();
  try {
    const question = await validationRequest();
    return {
      ...(await envelopes()),
      ...downlink(),
      ...(await uplink()),
      'a question about a configuration': question,
      'an answer about a configuration': await validationReply(question),
      'a dead letter': await deadLetter(),
      ...(await notes()),
    };
  } finally {
    uuids.mock.restore();
    syncBuiltinESMExports();
  }
}
