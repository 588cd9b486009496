import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, fromBinary } from '@bufbuild/protobuf';
import { DeliveryPolicySchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { BusError, type OutgoingRecord } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { startTopicSweep } from '../../src/control-plane/cleanup.ts';
import { publishPending, startReconciler, startRelay } from '../../src/control-plane/outbox.ts';
import { firstRevision, nextRevision } from '../../src/control-plane/revision.ts';
import { saveChange, saveDeletion, saveNew } from '../../src/control-plane/store/changes.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { Leadership } from '../../src/control-plane/store/leadership.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { planTopicDeletion } from '../../src/control-plane/store/topic-deletions.ts';
import { Takeover } from '../../src/control-plane/takeover.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { HTTP } from '../helpers/control-plane.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const topics = topicsOf('p');
const never = new AbortController().signal;

/** Stands in for Kafka where a test says what becomes of each record; keeps what it took. */
class FaultyBus {
  readonly log: { key: string; generation: number }[] = [];
  readonly deleted: string[] = [];
  fails: (key: string, generation: number) => boolean = () => false;

  async send(_topic: string, { key, value }: OutgoingRecord): Promise<void> {
    const record = value && fromBinary(DownlinkRecordSchema, value);
    const generation = Number(record?.integration?.generation ?? 0n);
    if (this.fails(key!, generation)) throw new BusError('timeout', 'Kafka is away');
    this.log.push({ key: key!, generation });
  }
  async deleteTopics(names: readonly string[]): Promise<void> {
    if (this.fails('delete', 0)) throw new BusError('timeout', 'Kafka is away');
    this.deleted.push(...names);
  }
  /** The generations that a key has had, in order; 0 is a tombstone. */
  generations(key: string): number[] {
    return this.log.filter((one) => one.key === key).map(({ generation }) => generation);
  }
}

async function store(t: TestContext) {
  const stack = new AsyncDisposableStack();
  t.after(() => stack.disposeAsync()); // before the database goes
  const postgresUrl = await databaseForTests(t);
  const deps = { ...testDeps(), topics, topicDeletionDelay: 0 };
  await migrate(postgresUrl, 10_000, deps);
  const db = stack.use(new Database(postgresUrl, deps));
  const node = (bus: FaultyBus) => {
    const leadership = stack.use(new Leadership(postgresUrl, deps));
    return { ...deps, db, bus, leadership, takeover: new Takeover() };
  };
  const add = async (maxExecutors = 1) => {
    const draft = create(IntegrationSchema, { ...HTTP, delivery: { maxExecutors } });
    const stored = firstRevision(draft, randomUUID(), Date.now());
    await saveNew(db, topics, stored, undefined, new Date(0));
    return stored.integration.id;
  };
  const change = (id: string, maxExecutors?: number) =>
    saveChange(db, topics, id, (stored) => {
      const { enabled, delivery } = stored.integration;
      const spread = create(DeliveryPolicySchema, { maxExecutors });
      const next = { ...stored.integration, enabled: !enabled, delivery: maxExecutors ? spread : delivery };
      return nextRevision(stored, next, Date.now());
    });
  const remove = (id: string) => saveDeletion(db, topics, id, () => {});
  const waiting = async () => Number((await db.query('select count(*) as n from outbox'))[0]?.n);
  return { stack, deps, db, postgresUrl, node, add, change, remove, waiting };
}

test('records leave in the order of the changes, and only once', async (t) => {
  const { node, add, change, remove, waiting } = await store(t);
  const bus = new FaultyBus();
  const relay = node(bus);
  const id = await add(2);
  await change(id);
  await remove(id);
  await publishPending(relay, never);
  await publishPending(relay, never);
  assert.deepEqual(bus.generations(id), [1, 2, 0]);
  assert.deepEqual(bus.generations(`${id}/1`), [1, 2, 0]);
  assert.equal(await waiting(), 0);
});

test('what Kafka did not take is sent again, with all that follows it', async (t) => {
  const { node, add, change, waiting } = await store(t);
  const bus = new FaultyBus();
  const relay = node(bus);
  const [stuck, other] = [await add(), await add()];
  await change(stuck);
  bus.fails = (key, generation) => key === stuck && generation === 1;
  await assert.rejects(publishPending(relay, never), BusError);
  assert.deepEqual(bus.generations(other), [1]);
  bus.fails = () => false;
  await publishPending(relay, never);
  assert.deepEqual(bus.generations(stuck).slice(-2), [1, 2], 'the newest is the last');
  assert.deepEqual(bus.generations(other), [1], 'others are not held up, nor sent twice');
  assert.equal(await waiting(), 0);
});

test('a leader that waits for Kafka for long still leads', async (t) => {
  const { node } = await store(t);
  const [leader, other] = [node(new FaultyBus()).leadership, node(new FaultyBus()).leadership];
  await leader.run(async () => {});
  await sleep(11_000); // longer than a leader may be silent
  assert.equal(await other.run(async () => 'leads'), undefined);
  assert.equal(await leader.run(async () => 'leads'), 'leads');
  assert.equal(leader.term, 1);
});

test('a relay that is cut between publishing and taking note: the next one sends again', async (t) => {
  const { node, add, change } = await store(t);
  const bus = new FaultyBus();
  const [first, second] = [node(bus), node(bus)];
  const id = await add();
  await change(id);
  const cut = { transaction: () => Promise.reject(new Error('cut')) } as unknown as Database;
  await assert.rejects(publishPending({ ...first, db: cut }, never), /cut/);
  assert.deepEqual(bus.generations(id), [1, 2]);
  await publishPending(second, never);
  assert.deepEqual(bus.generations(id), [1, 2], 'the first one still leads');
  await first.leadership[Symbol.asyncDispose]();
  await waitUntil('the second one leads', async () => {
    await publishPending(second, never);
    return bus.log.length > 2;
  });
  assert.deepEqual(bus.generations(id), [1, 2, 1, 2]);
});

test('a relay that wakes up after another took over does not leave an old record behind as the last', async (t) => {
  for (const isDeleted of [false, true]) {
    const { node, add, change, remove, db } = await store(t);
    const bus = new FaultyBus();
    const [slow, heir] = [node(bus), node(bus)];
    const id = await add();
    // The slow one has read generation 1; while Kafka makes it wait, the heir publishes everything newer.
    const overtaken = {
      async send(topic: string, record: OutgoingRecord) {
        await slow.leadership[Symbol.asyncDispose]();
        await (isDeleted ? remove(id) : change(id));
        await waitUntil('the heir published', async () => {
          await publishPending(heir, never);
          return bus.log.length >= 2;
        });
        await bus.send(topic, record);
      },
    };
    await publishPending({ ...slow, bus: overtaken }, never);
    await publishPending(heir, never);
    const last = isDeleted ? 0 : 2;
    assert.deepEqual(bus.generations(id), [1, last, 1, last]);
    const [row] = await db.query('select published_generation::int as g from integrations where id = $1', [
      id,
    ]);
    assert.equal(row?.g, isDeleted ? undefined : 2);
  }
});

test('a relay that wakes up leaves no shard of a wider generation behind', async (t) => {
  const { node, add, change } = await store(t);
  const bus = new FaultyBus();
  const [slow, heir] = [node(bus), node(bus)];
  const id = await add(3);
  const narrowed = Promise.withResolvers<void>();
  let waiting = 0;
  const overtaken = {
    async send(topic: string, record: OutgoingRecord) {
      waiting++;
      await narrowed.promise;
      await bus.send(topic, record);
    },
  };
  const late = publishPending({ ...slow, bus: overtaken }, never);
  await waitUntil('three records are on their way', () => waiting === 3);
  await change(id, 1);
  await slow.leadership[Symbol.asyncDispose]();
  await waitUntil('the heir published', async () => {
    await publishPending(heir, never);
    return bus.generations(`${id}/2`).at(-1) === 0;
  });
  narrowed.resolve();
  await late;
  await publishPending(heir, never);
  for (const [key, last] of Object.entries({ [id]: 2, [`${id}/1`]: 0, [`${id}/2`]: 0 })) {
    assert.deepEqual(bus.generations(key).slice(-2), [1, last], key);
  }
});

test('what a leader that died had on its way and lands late does not stay behind as the last', async (t) => {
  const { node, add, change, remove, waiting } = await store(t);
  const bus = new FaultyBus();
  const [dying, second] = [node(bus), node(bus)];
  let leap = 0;
  const heir = { ...second, clock: { ...systemClock, monotonic: () => systemClock.monotonic() + leap } };
  const [changed, narrowed, deleted, later] = [await add(), await add(2), await add(), await add()];
  const held: (() => Promise<void>)[] = [];
  const slow = {
    send(topic: string, record: OutgoingRecord) {
      held.push(() => bus.send(topic, record));
      return new Promise<void>(() => {});
    },
  };
  const dies = new AbortController();
  const cut = assert.rejects(publishPending({ ...dying, bus: slow }, dies.signal), /dies/);
  await waitUntil('records are on their way', () => held.length === 5);
  dies.abort(new Error('it dies'));
  await cut;
  await change(changed);
  await change(narrowed, 1);
  await remove(deleted);
  await dying.leadership[Symbol.asyncDispose]();
  await waitUntil('the heir published', async () => {
    await publishPending(heir, never);
    return bus.generations(deleted).at(-1) === 0;
  });
  leap = 20_000;
  await change(later);
  await publishPending(heir, never);
  for (const land of held) await land();
  const lasts = () =>
    [changed, narrowed, `${narrowed}/1`, deleted, later].map((id) => bus.generations(id).at(-1));
  assert.deepEqual(lasts(), [1, 1, 1, 1, 1], 'they land last');

  leap = 60_000;
  await publishPending(heir, never);
  assert.deepEqual(lasts(), [2, 2, 0, 0, 2]);
  // What comes later is published once.
  await change(changed);
  await publishPending(heir, never);
  leap = 120_000;
  await publishPending(heir, never);
  assert.deepEqual(bus.generations(changed), [1, 2, 1, 2, 3]);
  assert.equal(await waiting(), 0);
});

test('records of a transaction that commits late are not passed over', async (t) => {
  const { node, add, postgresUrl, waiting } = await store(t);
  const bus = new FaultyBus();
  const relay = node(bus);
  await using client = await connectedClient(postgresUrl);
  await client.query('begin');
  await client.query(
    "insert into outbox (integration_id, generation, topic, key) values (gen_random_uuid(), 1, 'x', 'late')",
  );
  const id = await add(); // a larger number, committed before
  await publishPending(relay, never);
  assert.deepEqual(bus.generations(id), [1]);
  await client.query('commit');
  await publishPending(relay, never);
  assert.deepEqual(bus.generations('late'), [0]);
  assert.equal(await waiting(), 0);
});

test('a relay goes on by itself when Kafka is back, and publishes at once when it is woken', async (t) => {
  const { node, add, stack } = await store(t);
  const bus = new FaultyBus();
  bus.fails = () => true;
  const relay = stack.use(startRelay(node(bus)));
  const id = await add();
  relay.wake();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(bus.generations(id), []);
  bus.fails = () => false;
  await waitUntil('published', () => bus.generations(id).length === 1);
});

test('what was never published is found and published', async (t) => {
  const { node, add, db, stack, change } = await store(t);
  const bus = new FaultyBus();
  const [lost, published] = [await add(), await add()];
  await db.query('delete from outbox where integration_id = $1', [lost]);
  const deps = node(bus);
  const relay = stack.use(startRelay(deps));
  await waitUntil('the other is published', () => bus.generations(published).length === 1);
  stack.use(startReconciler(deps, relay));
  await waitUntil('the lost one is published', () => bus.generations(lost).length === 1);
  await change(published);
  relay.wake();
  await waitUntil('the change is published', () => bus.generations(published).length === 2);
  assert.deepEqual(bus.generations(published), [1, 2]);
});

test('the topic of an integration that did not come to be goes, that of one that did stays', async (t) => {
  const { db, stack, node } = await store(t);
  const bus = new FaultyBus();
  const stored = firstRevision(create(IntegrationSchema, HTTP), randomUUID(), Date.now());
  const failed = randomUUID();
  for (const id of [stored.integration.id, failed]) await planTopicDeletion(db, id, 0);
  await saveNew(db, topics, stored, undefined, new Date(0));
  stack.use(startTopicSweep(node(bus)));
  await waitUntil('the orphan is gone', () => bus.deleted.length === 2);
  assert.ok(bus.deleted.every((name) => name.includes(failed)));
});

test('topics go after the tombstones are published, as soon as Kafka lets them', async (t) => {
  const { node, add, remove, db, stack } = await store(t);
  const bus = new FaultyBus();
  bus.fails = (key) => key === 'delete';
  const deps = node(bus);
  const id = await add();
  const kept = await add();
  await publishPending(deps, never);
  await remove(id);
  stack.use(startTopicSweep(deps));
  assert.deepEqual(await db.query('select due_time from topic_deletions'), [{ due_time: null }]);
  await publishPending(deps, never);
  bus.fails = () => false;
  await waitUntil('they are gone', () => bus.deleted.length > 0, 30_000);
  assert.deepEqual(bus.deleted, [topics.messages(id).name, topics.deadLetters(id).name]);
  await waitUntil(
    'nothing is left to do',
    async () => (await db.query('select from topic_deletions')).length === 0,
  );
  assert.ok(!bus.deleted.includes(topics.messages(kept).name));
});
