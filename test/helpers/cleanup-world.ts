import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { DeliveryPolicySchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction, UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { firstRevision, nextRevision } from '../../src/control-plane/integrations/revision.ts';
import { saveWithTopic } from '../../src/control-plane/integrations/save-change.ts';
import { startRelay } from '../../src/control-plane/outbox/relay.ts';
import { startUplink } from '../../src/control-plane/status/uplink.ts';
import { saveDeletion, saveNew } from '../../src/control-plane/store/changes.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { findIntegration } from '../../src/control-plane/store/integrations.ts';
import { Leadership } from '../../src/control-plane/store/leadership.ts';
import { Locks } from '../../src/control-plane/store/locks.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { loadCluster } from '../../src/control-plane/store/nodes.ts';
import type { MessageTopicDeps } from '../../src/control-plane/topics/message-topic.ts';
import { createFanOut } from '../../src/ingress/fan-out.ts';
import { reportFilters } from '../../src/ingress/filter-reports.ts';
import { followFilters } from '../../src/ingress/filters.ts';
import { ANYBODY } from './anybody.ts';
import { busForTests } from './bus.ts';
import { HTTP } from './control-plane.ts';
import { restored } from './convergence.ts';
import { nodeForTests } from './nodes.ts';
import { onEnd } from './on-end.ts';
import { databaseForTests } from './postgres.ts';
import { testDeps } from './test-deps.ts';
import { waitUntil } from './wait-until.ts';

const SHARED = { serviceId: 'cp', topicDeletionDelay: 0, cleanupPeriod: 3_600_000, cleanupTtl: 3_600_000 };

/** The parts of a control plane that take topics away, and an ingress, on a real PostgreSQL and a real Kafka. */
export async function cleanupWorld(t: TestContext) {
  const postgresUrl = await databaseForTests(t);
  const { bus, topics } = await busForTests(t);
  const deps = { ...testDeps(), ...SHARED, bus, topics };
  await migrate(postgresUrl, 10_000, deps);
  const stack = new AsyncDisposableStack();
  onEnd(t, () => stack.disposeAsync());
  const db = stack.use(new Database(postgresUrl, deps));
  const leadership = stack.use(new Leadership(postgresUrl, deps));
  await bus.createTopics([topics.downlink('http'), topics.uplink]);
  const relayAgain = () => stack.use(startRelay({ ...deps, db, leadership }));
  const relay = relayAgain();
  stack.use(startUplink({ ...deps, db }));
  const ingress = { serviceId: 'in', roles: [NodeRole.INGRESS], types: [] };
  nodeForTests(t, deps, ingress);
  const onTaken = reportFilters({ ...deps, ...ingress });
  const followed = stack.use(
    await followFilters({ ...deps, onTaken, onRead() {} }, new AbortController().signal),
  );
  await waitUntil('the ingress is known', async () => (await loadCluster(db)).has('in'));
  const takeIn = createFanOut({
    ...deps,
    filters: followed.filters,
    node: 'in',
    newId: () => new Uint8Array(16),
  });

  /** A control-plane node, with locks of its own. */
  const node = (itsBus: MessageTopicDeps['bus'] = bus) => {
    const locks = stack.use(new Locks(postgresUrl, deps));
    return { ...deps, db, locks, wakeRelay: () => relay.wake(), bus: itsBus };
  };
  /** An integration, with its topic, for messages below its id. */
  const add = async (enabled = true) => {
    const id = randomUUID();
    const draft = create(IntegrationSchema, { ...HTTP, enabled, topicFilters: [`${id}/#`] });
    await bus.createTopics([topics.messages(id)]);
    await saveNew(db, topics, ANYBODY, firstRevision(draft, id, Date.now()), undefined, new Date(0));
    relay.wake();
    return id;
  };
  type Change = Parameters<typeof saveWithTopic>[3];
  const save = async (api: ReturnType<typeof node>, id: string, change: Change) => {
    const call = { caller: ANYBODY, signal: new AbortController().signal, timeoutMs: () => undefined };
    return (await saveWithTopic(api, id, call, change))?.stored;
  };
  const turn = (api: ReturnType<typeof node>, id: string, enabled: boolean) =>
    save(api, id, (locked) => nextRevision(locked, { ...locked.integration, enabled }, Date.now()));
  const spread = (api: ReturnType<typeof node>, id: string, maxExecutors: number) =>
    save(api, id, (locked) => {
      const next = { ...locked.integration, delivery: create(DeliveryPolicySchema, { maxExecutors }) };
      return nextRevision(locked, next, Date.now());
    });
  /** Answers how many integrations it went to. */
  const publish = (id: string) =>
    takeIn({
      topicName: `${id}/a`,
      payload: Buffer.from('x'),
      clientId: 'c',
      qos: 1,
      retain: false,
      userProperties: [],
    });
  const stateOf = async (id: string) => (await findIntegration(db, id))?.topicState;
  /** Which topic of the integration it is, as Kafka's downlink topic says. */
  const incarnationOf = async (id: string) => (await restored(bus, topics)).get(id)?.topicIncarnation;
  /** Ages it beyond the time to live. */
  const age = (id: string) =>
    db.query("update integrations set enabled_change_time = now() - interval '1 day' where id = $1", [id]);
  /** What its events of deleted topics say went. */
  const deletions = async (id: string) => {
    const rows = await db.query<{ record: Uint8Array }>(
      'select record from events where integration_id = $1',
      [id],
    );
    return rows.flatMap(({ record }) => {
      const { report } = fromBinary(UplinkRecordSchema, record);
      const isDeletion = report.case === 'lifecycle' && report.value.action === LifecycleAction.TOPIC_DELETED;
      return isDeletion ? [Number(report.value.deletedMessages)] : [];
    });
  };
  const hasTopic = async (id: string) => (await bus.listTopics()).includes(topics.messages(id).name);
  /** How many messages its topic has. */
  const messages = async (id: string) => {
    let count = 0;
    for (const { start, end } of (await bus.offsets(topics.messages(id).name)).values()) count += end - start;
    return count;
  };
  const remove = (id: string) => saveDeletion(db, topics, ANYBODY, id, () => {});
  const acts = { add, turn, spread, publish, age, remove };
  return {
    ...deps,
    ...acts,
    db,
    node,
    relay,
    relayAgain,
    stateOf,
    incarnationOf,
    deletions,
    hasTopic,
    messages,
    postgresUrl,
  };
}
