import type { TestContext } from 'node:test';
import { inspect, isDeepStrictEqual } from 'node:util';
import { create, equals, fromBinary } from '@bufbuild/protobuf';
import { type DownlinkRecord, DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { Topic, Topics } from '../../src/bus/topics.ts';
import { TYPES } from '../../src/contract/integration-type.ts';
import { shardsOf } from '../../src/control-plane/outbox/downlink.ts';
import type { Queries } from '../../src/control-plane/store/database.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { listIntegrations } from '../../src/control-plane/store/integrations.ts';
import { startExecutor } from '../../src/executor/executor.ts';
import { followFilters } from '../../src/ingress/filters.ts';
import { busForTests } from './bus.ts';
import { EXECUTOR } from './executor.ts';
import { follow } from './follow.ts';
import { onEnd } from './on-end.ts';
import { databaseForTests } from './postgres.ts';
import { testDeps } from './test-deps.ts';

/** What a node that begins now finds on the downlink topics, by key, read from their beginnings. */
export async function restored(bus: Bus, topics: Topics): Promise<Map<string, DownlinkRecord>> {
  const found = new Map<string, DownlinkRecord>();
  const names = await bus.listTopics();
  for (const topic of TYPES.map((type) => topics.downlink(type).name).filter((name) =>
    names.includes(name),
  )) {
    await bus.read({
      topic,
      ranges: await bus.offsets(topic),
      isCompacted: true,
      async eachBatch(records) {
        for (const { key, value } of records) {
          if (value === null) found.delete(key!);
          else found.set(key!, fromBinary(DownlinkRecordSchema, Uint8Array.from(value)));
        }
      },
    });
  }
  return found;
}

/** In what the downlink topics differ from PostgreSQL, a line each: empty when they say the same. */
export async function differences(db: Queries, bus: Bus, topics: Topics): Promise<string[]> {
  const onKafka = await restored(bus, topics);
  const stored = await listIntegrations(db, {});
  const wrong = stored.flatMap(({ integration, topicState, topicIncarnation }) =>
    Array.from({ length: shardsOf(integration) }, (_, shard) => {
      const key = shard === 0 ? integration.id : `${integration.id}/${shard}`;
      const record = onKafka.get(key);
      onKafka.delete(key);
      if (!record) return [`${key} is missing`];
      const { publishedTime: _published, ...rest } = record;
      const wanted = { integration, shard, withoutTopic: topicState !== 'kept', topicIncarnation };
      const isSame = equals(
        DownlinkRecordSchema,
        create(DownlinkRecordSchema, rest),
        create(DownlinkRecordSchema, wanted),
      );
      return isSame
        ? []
        : [`${key} is of generation ${record.integration?.generation}, not ${integration.generation}`];
    }).flat(),
  );
  return [...wrong, ...[...onKafka.keys()].map((key) => `${key} is still there`)];
}

/** What a control plane is for, on a real Kafka and a real PostgreSQL: an executor and an ingress, which run on when it dies. */
export async function installation(
  t: TestContext,
  create: (downlink: Topic) => Topic = (downlink) => downlink,
) {
  const postgresUrl = await databaseForTests(t);
  const kafka = await busForTests(t);
  const deps = { ...testDeps(), ...kafka };
  const stack = new AsyncDisposableStack();
  onEnd(t, () => stack.disposeAsync());
  const never = new AbortController().signal;
  const { bus, topics } = kafka;
  await bus.createTopics([create(topics.downlink('http')), topics.validation('http'), topics.uplink]);
  const { filters } = stack.use(await followFilters({ ...deps, onTaken() {}, onRead() {} }, never));
  /** One that is disposed with the installation, if not before. */
  const addExecutor = async (serviceId: string) => {
    const itsDeps = { ...deps, ...testDeps(), startTime: Date.now() };
    const executor = await startExecutor({ ...EXECUTOR, serviceId, types: ['http'] }, itsDeps, never);
    stack.defer(() => executor[Symbol.asyncDispose]());
    return executor;
  };
  await addExecutor('ie-0');
  const db = stack.use(new Database(postgresUrl, deps));
  /** What the executors run: shard by shard, the generation. */
  const running = new Map<string, bigint>();
  const owners = new Map<string, string>();
  stack.use(
    await follow(bus, [topics.uplink.name], ({ value }) => {
      const { integrationId, shard, generation, serviceId, report } = fromBinary(UplinkRecordSchema, value!);
      if (report.case !== 'lifecycle') return;
      const key = `${integrationId}/${shard}`;
      if (report.value.state === IntegrationState.ACTIVE) {
        running.set(key, generation);
        owners.set(key, serviceId);
      } else if (owners.get(key) === serviceId) running.delete(key);
    }),
  );
  const prefix = topics.group('').slice(0, -1);
  return { ...kafka, postgresUrl, filters, db, kafka, prefix, running, deps, addExecutor };
}

export type Installation = Awaited<ReturnType<typeof installation>>;

/** What of the installation is not as PostgreSQL has it. */
export async function unsettled({ bus, topics, db, filters, running }: Installation): Promise<string[]> {
  const wrong = await differences(db, bus, topics);
  const stored = (await listIntegrations(db, {})).map(({ integration }) => integration);
  for (const filter of new Set([...stored.flatMap((one) => one.topicFilters), 'nothing'])) {
    const matches = filters.match(filter).size;
    const wanted = stored.filter((one) => one.topicFilters.includes(filter)).length;
    if (matches !== wanted) wrong.push(`ingress finds ${matches} for ${filter}, not ${wanted}`);
  }
  const enabled = stored.filter((one) => one.enabled);
  const wanted = enabled.flatMap((one) =>
    Array.from({ length: shardsOf(one) }, (_, shard) => [`${one.id}/${shard}`, one.generation] as const),
  );
  if (!isDeepStrictEqual(running, new Map(wanted))) {
    wrong.push(`the executor runs ${inspect(running)}, not ${inspect(new Map(wanted))}`);
  }
  return wrong;
}
