import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  DownlinkRecordSchema,
  type ValidationKind,
  ValidationRequestSchema,
} from '../../gen/penstock/v1/downlink_pb.ts';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import type { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import {
  type UplinkRecord,
  UplinkRecordSchema,
  type ValidationResponse,
  ValidationResponseSchema,
} from '../../gen/penstock/v1/uplink_pb.ts';
import type { IncomingRecord } from '../../src/bus/bus.ts';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import type { ExecutorConfig } from '../../src/executor/config.ts';
import { startExecutor } from '../../src/executor/executor.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { follow } from './follow.ts';
import { kafkaForTests } from './kafka.ts';
import { testDeps } from './test-deps.ts';
import { waitUntil } from './wait-until.ts';

type IntegrationInit = MessageInitShape<typeof IntegrationSchema>;

export const EXECUTOR: ExecutorConfig = {
  serviceId: 'ie-0',
  types: ['http'],
  kafkaPrefix: '',
  policy: {
    strategy: 'SKIP_ALL',
    retries: 0,
    pauseBetweenRetries: 50,
    maxPause: 500,
    packProcessingTimeout: 10_000,
    maxInFlight: 64,
    maxInFlightBytes: 67_108_864,
    deadLetter: true,
    maxHops: 8,
  },
  maxRetryAfter: 3_600_000,
  limits: readSettings({}, {}),
  maxBytesOfAll: 268_435_456,
  startTimeout: 5000,
  restart: { enabled: true, maxPause: 1000 },
  errorReportsPerMinute: 100,
  statisticsInterval: 200,
  progressTimeout: 60_000,
  allowsLocalTargets: true,
  secretSources: { envPrefix: 'INTEGRATION_SECRET_', filesDir: '', variable: () => undefined },
};

export const REPLY_TOPIC = 'cp';

/** What a control plane and an ingress do for executors, on a real Kafka; and the executors under test. */
export class ExecutorBench {
  /** Every report so far, in its order for each integration; and every answer to a validation request. */
  readonly reports: UplinkRecord[] = [];
  readonly answers: ValidationResponse[] = [];
  readonly topics = topicsOf(`t${randomUUID().slice(0, 8)}`);
  readonly deps = { ...testDeps(), startTime: Date.now() };
  readonly stack = new AsyncDisposableStack();
  readonly bus;

  constructor(t: TestContext, brokers: string) {
    const connection = { brokers: brokers.split(','), clientId: 'penstock-test', replication: 1 };
    this.bus = this.stack.use(createKafkaBus(connection, this.deps));
    t.after(() => this.stack.disposeAsync());
  }

  async createTopics(): Promise<void> {
    const { topics, bus } = this;
    const { uplink, downlink, validation, notifications } = topics;
    await bus.createTopics([uplink, downlink('http'), validation('http'), notifications(REPLY_TOPIC)]);
    await follow(bus, [uplink.name], ({ value }) => {
      this.reports.push(fromBinary(UplinkRecordSchema, Uint8Array.from(value!)));
    });
    await follow(bus, [notifications(REPLY_TOPIC).name], ({ value }) => {
      this.answers.push(fromBinary(ValidationResponseSchema, Uint8Array.from(value!)));
    });
  }

  /** Starts an executor that is restored. It is stopped with the test, when the test does not do it. */
  async start(config: Partial<ExecutorConfig> = {}, signal = new AbortController().signal) {
    const { bus, topics, deps } = this;
    return this.stack.use(await startExecutor({ ...EXECUTOR, ...config }, { ...deps, bus, topics }, signal));
  }

  /** Wants this of the executors, as generation 1 of a new integration unless it says otherwise; a share of it. */
  async want(url: string, init: IntegrationInit = {}, shard = 0): Promise<string> {
    const { bus, topics } = this;
    const integration = {
      id: randomUUID(),
      name: 'an integration',
      enabled: true,
      topicFilters: ['#'],
      generation: 1n,
      configuration: { case: 'http' as const, value: { restEndpointUrl: url, sendOnlyMsgPayload: true } },
      ...init,
    };
    await bus.createTopics([topics.messages(integration.id, init.delivery?.maxExecutors ?? 1)]);
    const record = create(DownlinkRecordSchema, { integration, shard });
    const value = toBinary(DownlinkRecordSchema, record);
    const key = shard === 0 ? integration.id : `${integration.id}/${shard}`;
    await bus.send(topics.downlink('http').name, { key, value });
    return integration.id;
  }

  /** Writes the deletion of an integration. */
  forget(id: string): Promise<void> {
    return this.bus.send(this.topics.downlink('http').name, { key: id, value: null });
  }

  /** Puts a message with each payload into an integration's topic, all from one client. */
  async publish(id: string, payloads: readonly string[], clientId = 'c1', hopCount = 0): Promise<void> {
    const { bus, topics } = this;
    const encode = (payload: string) => {
      const init = { topicName: 'a/b', clientId, payload: Buffer.from(payload), hopCount };
      return toBinary(EnvelopeSchema, create(EnvelopeSchema, init));
    };
    const sends = payloads.map((payload) =>
      bus.send(topics.messages(id).name, { key: clientId, value: encode(payload) }),
    );
    await Promise.all(sends);
  }

  /** The reports of one kind about an integration. */
  reportsOf<K extends UplinkRecord['report']['case']>(id: string, kind: K) {
    return this.reports.flatMap(({ integrationId, generation, report }) =>
      integrationId === id && report.case === kind
        ? [{ generation, ...(report.value as Extract<UplinkRecord['report'], { case: K }>['value']) }]
        : [],
    );
  }

  /** The integration's last lifecycle report, once there are as many of them. */
  async lifecycle(id: string, count: number) {
    await waitUntil(`${count} lifecycle reports`, () => this.reportsOf(id, 'lifecycle').length >= count);
    const last = this.reportsOf(id, 'lifecycle')[count - 1]!;
    const { generation, action, success, state } = last;
    return { generation, action, success, state };
  }

  /** Everything on a topic at this moment. */
  async recordsOf(topic: string): Promise<IncomingRecord[]> {
    const records: IncomingRecord[] = [];
    const followed = await follow(this.bus, [topic], (record) => {
      records.push({ ...record, value: record.value && Uint8Array.from(record.value) });
    });
    followed[Symbol.dispose]();
    return records;
  }

  /** Asks executors about a configuration, and waits for the answer. */
  async ask(kind: ValidationKind, integration: IntegrationInit, timeToLive = 10_000) {
    const requestId = randomUUID();
    const request = create(ValidationRequestSchema, {
      requestId,
      replyTopic: this.topics.notifications(REPLY_TOPIC).name,
      timeToLive: durationFromMs(timeToLive),
      integration: { name: 'an integration', topicFilters: ['#'], ...integration },
      kind,
    });
    const value = toBinary(ValidationRequestSchema, request);
    await this.bus.send(this.topics.validation('http').name, { key: requestId, value });
    const find = () => this.answers.find((answer) => answer.requestId === requestId);
    await waitUntil('there is an answer', () => find() !== undefined, timeToLive);
    return find()!;
  }

  /** How many records were stepped over. */
  async undecodable(topic: string): Promise<number> {
    const { values } = await this.deps.metrics.undecodable.get();
    return values.find(({ labels }) => labels.topic === topic)?.value ?? 0;
  }
}

export async function executorBench(t: TestContext): Promise<ExecutorBench> {
  return new ExecutorBench(t, await kafkaForTests());
}
