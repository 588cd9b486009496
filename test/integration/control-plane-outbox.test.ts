import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { DeliveryPolicySchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { BusError } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { startTopicSweep } from '../../src/control-plane/cleanup.ts';
import { firstRevision, nextRevision } from '../../src/control-plane/integrations/revision.ts';
import { startReconciler } from '../../src/control-plane/outbox/reconciler.ts';
import { Publisher, startRelay } from '../../src/control-plane/outbox/relay.ts';
import { saveChange, saveDeletion, saveNew } from '../../src/control-plane/store/changes.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { Leadership } from '../../src/control-plane/store/leadership.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { planTopicDeletion } from '../../src/control-plane/store/topic-deletions.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { ANYBODY } from '../helpers/anybody.ts';
import { HTTP } from '../helpers/control-plane.ts';
import { FaultyBus, partitionOf } from '../helpers/faulty-bus.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const topics = topicsOf('p');
const never = new AbortController().signal;
const isAway = () => new BusError('timeout', 'Kafka is away');

async function store(t: TestContext) {
  const stack = new AsyncDisposableStack();
  t.after(() => stack.disposeAsync()); // before the database goes
  const postgresUrl = await databaseForTests(t);
  const deps = { ...testDeps(), topics, topicDeletionDelay: 0 };
  await migrate(postgresUrl, 10_000, deps);
  const db = stack.use(new Database(postgresUrl, deps));
  const node = (bus: Pick<FaultyBus, 'send' | 'feed' | 'listTopics'>) => {
    const leadership = stack.use(new Leadership(postgresUrl, deps));
    const time = { leap: 0 };
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + time.leap };
    return { ...deps, db, bus, leadership, clock, time };
  };
  /** A node that publishes when it is told to. */
  const publisherOn = (
    bus: Pick<FaultyBus, 'send' | 'feed' | 'listTopics'>,
    its: Partial<ReturnType<typeof node>> = {},
  ) => {
    const deps = { ...node(bus), ...its };
    const publisher = stack.use(new Publisher(deps, () => {}));
    const publish = async () => {
      for (let isMore = true; isMore; ) {
        isMore = await publisher.begin(never);
        await publisher.idle();
      }
    };
    return { ...deps, publisher, publish };
  };
  const add = async (maxExecutors = 1, id: string = randomUUID(), type = 'http') => {
    const draft = create(IntegrationSchema, { ...HTTP, delivery: { maxExecutors } });
    const stored = { ...firstRevision(draft, id, Date.now()), type };
    await saveNew(db, topics, ANYBODY, stored, undefined, new Date(0));
    return id;
  };
  const change = (id: string, maxExecutors?: number) =>
    saveChange(db, topics, ANYBODY, id, (stored) => {
      const { enabled, delivery } = stored.integration;
      const spread = create(DeliveryPolicySchema, { maxExecutors });
      const next = { ...stored.integration, enabled: !enabled, delivery: maxExecutors ? spread : delivery };
      return nextRevision(stored, next, Date.now());
    });
  const remove = (id: string) => saveDeletion(db, topics, ANYBODY, id, () => {});
  const waiting = async () => Number((await db.query('select count(*) as n from outbox'))[0]?.n);
  return { stack, deps, db, postgresUrl, node, publisherOn, add, change, remove, waiting };
}

test('records leave in the order of the changes, and only once', async (t) => {
  const { publisherOn, add, change, remove, waiting } = await store(t);
  const bus = new FaultyBus();
  const { publish } = publisherOn(bus);
  const id = await add(2);
  await change(id);
  await remove(id);
  await publish();
  await publish();
  assert.deepEqual(bus.generations(id), [1, 2, 0]);
  assert.deepEqual(bus.generations(`${id}/1`), [1, 2, 0]);
  assert.equal(await waiting(), 0);
});

test('records leave in the order of the changes wherever PostgreSQL has put their rows', async (t) => {
  const { publisherOn, add, change, db } = await store(t);
  const bus = new FaultyBus();
  const id = await add();
  for (let i = 0; i < 11; i++) await change(id);
  // Rows that are written anew lie behind the others.
  await db.query('update outbox set key = key where generation <= 6');
  await publisherOn(bus).publish();
  assert.deepEqual(
    bus.generations(id),
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
});

test('a generation is published when Kafka has all records of it', async (t) => {
  const { publisherOn, add, db } = await store(t);
  const bus = new FaultyBus();
  const { publish, time } = publisherOn(bus);
  const id = await add(3);
  const published = async () => {
    const [row] = await db.query<{ n: string }>(
      'select published_generation as n from integrations where id = $1',
      [id],
    );
    return Number(row!.n);
  };
  bus.fails = (key) => (key === `${id}/1` ? isAway() : undefined);
  for (let tries = 0; tries < 3; tries++) {
    await publish();
    time.leap += 10_000;
    assert.equal(await published(), 0);
  }
  assert.deepEqual([bus.generations(id), bus.generations(`${id}/1`)], [[1], []]);
  bus.fails = () => undefined;
  await publish();
  assert.equal(await published(), 1);
});

test('what Kafka did not take is sent again, with all that follows it', async (t) => {
  const { publisherOn, add, change, waiting } = await store(t);
  const bus = new FaultyBus();
  const { publish, time } = publisherOn(bus);
  const [stuck, other] = [await add(), await add()];
  await change(stuck);
  bus.fails = (key, generation) => (key === stuck && generation === 1 ? isAway() : undefined);
  await publish();
  assert.deepEqual(bus.generations(other), [1]);
  bus.fails = () => undefined;
  time.leap = 10_000;
  await publish();
  assert.deepEqual(bus.generations(stuck).slice(-2), [1, 2], 'the newest is the last');
  assert.deepEqual(bus.generations(other), [1], 'others are not held up, nor sent twice');
  assert.equal(await waiting(), 0);
});

test('rows that cannot go hold up none that can, however many they are', async (t) => {
  const { publisherOn, add, change, db, waiting } = await store(t);
  const bus = new FaultyBus();
  const { publisher, publish, time, metrics, warnings } = publisherOn(bus);
  const idOn = (isStuck: boolean) => {
    for (;;) {
      const id = randomUUID();
      if ((partitionOf(id) === 0) === isStuck) return id;
    }
  };
  const stuck: string[] = [];
  for (let n = 0; n < 300; n++) stuck.push(await add(1, idOn(true)));
  // Of partition 0 nothing is known: no answer comes, as when nobody leads it.
  bus.hangs = (key) => partitionOf(key) === 0;
  const others: string[] = [];
  for (let n = 0; n < 3; n++) others.push(await add(1, idOn(false)));
  const gone = () => others.every((id) => bus.generations(id).length > 0);
  await waitUntil('the others go', async () => {
    await publisher.begin(never);
    return gone();
  });
  await change(others[0]!);
  await waitUntil('so do their changes', async () => {
    await publisher.begin(never);
    return bus.generations(others[0]!).length === 2;
  });
  assert.ok(bus.hanging <= 200, `${bus.hanging} are on their way`);

  await db.query("update outbox set create_time = create_time - interval '1 minute'");
  bus.letGo(isAway());
  await publisher.idle();
  await publisher.begin(never);
  const [age] = (await metrics.outboxAge.get()).values;
  assert.ok(age!.value >= 60, 'the oldest is told');
  assert.match(warnings.all()[0]!, /wait for Kafka since .*http\/0: Kafka is away/);
  assert.equal(publisher.trouble(), undefined, 'others go');

  time.leap = 20_000;
  assert.equal(publisher.trouble(), warnings.all()[0], 'nothing goes at all');
  bus.hangs = () => false;
  await publish();
  assert.ok(stuck.every((id) => bus.generations(id).at(-1) === 1));
  assert.equal(await waiting(), 0);
  await publisher.begin(never);
  assert.deepEqual(warnings.all(), []);
});

test('a record that Kafka never takes holds up its integration alone', async (t) => {
  const { publisherOn, add, change, waiting } = await store(t);
  const bus = new FaultyBus();
  const { publish, time } = publisherOn(bus);
  const [large, other] = [await add(), await add()];
  const beside = await add(1, samePartition(large));
  bus.fails = (key) => (key === large ? new BusError('too-large', 'it is too large') : undefined);
  await change(large);
  await publish();
  await change(beside);
  await publish();
  assert.deepEqual(
    [large, beside, other].map((id) => bus.generations(id)),
    [[], [1, 2], [1]],
  );
  bus.fails = () => undefined;
  time.leap = 10_000;
  await publish();
  assert.deepEqual(bus.generations(large), [1, 2]);
  assert.equal(await waiting(), 0);
});

test('the hash of a key is that by which Kafka chooses its partition', async (t) => {
  const { db } = await store(t);
  const keys = [...Array(300).keys()].map((n) => (n % 2 ? randomUUID() : 'äß€x'.repeat(n).slice(0, n)));
  const rows = await db.query<{ partition: number }>(
    'select kafka_hash(key) % 12 as partition from unnest($1::text[]) with ordinality as k (key, n) order by n',
    [keys],
  );
  assert.deepEqual(
    rows.map(({ partition }) => partition),
    keys.map(partitionOf),
  );
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
  const { publisherOn, add, change, db } = await store(t);
  const bus = new FaultyBus();
  const cut = {
    query: (sql, values) => db.query(sql, values),
    transaction: () => Promise.reject(new Error('cut')),
  } as Pick<Database, 'query' | 'transaction'> as Database;
  const first = publisherOn(bus, { db: cut });
  const second = publisherOn(bus);
  const id = await add();
  await change(id);
  await first.publisher.begin(never);
  await first.publisher.idle();
  assert.deepEqual(bus.generations(id), [1, 2]);
  await second.publish();
  assert.deepEqual(bus.generations(id), [1, 2], 'the first one still leads');
  await first.leadership[Symbol.asyncDispose]();
  await waitUntil('the second one leads', async () => {
    await second.publish();
    return bus.generations(id).length > 2;
  });
  assert.deepEqual(bus.generations(id), [1, 2, 1, 2]);
});

test('what lands behind newer records of a leader that hung, or died, is put right by the next one', async (t) => {
  const { publisherOn, add, change, remove, waiting } = await store(t);
  const bus = new FaultyBus();
  const dying = publisherOn(bus);
  const heir = publisherOn(bus);
  const [changed, narrowed, deleted, later] = [await add(), await add(2), await add(), await add()];
  bus.hangs = () => true;
  await dying.publisher.begin(never);
  await waitUntil('records are on their way', () => bus.hanging === 5);
  bus.hangs = () => false;
  await change(changed);
  await change(narrowed, 1);
  await remove(deleted);
  await dying.leadership[Symbol.asyncDispose]();
  await waitUntil('the heir published', async () => {
    await heir.publish();
    return bus.generations(deleted).at(-1) === 0;
  });
  await change(later);
  await heir.publish();
  bus.letGo();
  await dying.publisher.idle();
  const keys = [changed, narrowed, `${narrowed}/1`, deleted, later];
  const lasts = () => keys.map((key) => bus.generations(key).at(-1));
  assert.deepEqual(lasts(), [1, 1, 1, 1, 1], 'they land last');

  await waitUntil('the heir puts them right', async () => {
    await heir.publish();
    return String(lasts()) === String([2, 2, 0, 0, 2]);
  });
  // What comes later is published once.
  await change(changed);
  await heir.publish();
  await heir.publish();
  assert.deepEqual(bus.generations(changed), [1, 2, 1, 2, 3]);
  assert.equal(await waiting(), 0);
});

test('what landed late while nobody led is put right by whoever leads next', async (t) => {
  const { publisherOn, add, change, remove } = await store(t);
  const bus = new FaultyBus();
  const before = publisherOn(bus);
  const [changed, deleted, same] = [await add(), await add(), await add()];
  await before.publish();
  await change(changed);
  await remove(deleted);
  await before.publish();
  await before.leadership[Symbol.asyncDispose]();
  for (const id of [changed, deleted, same]) bus.repeat(id, 1);
  // Of an integration of another database nothing is known here.
  bus.repeatAs(same, 'other');
  const heir = publisherOn(bus);
  await waitUntil('the heir leads', async () => {
    await heir.publish();
    return bus.generations(deleted).length > 3;
  });
  assert.deepEqual(bus.generations(changed), [1, 2, 1, 2]);
  assert.deepEqual(bus.generations(deleted), [1, 0, 1, 0]);
  assert.deepEqual(bus.generations(same), [1, 1]);
  assert.deepEqual(bus.generations('other'), [1]);
});

test('what landed late of a type that only a newer version knows is put right, too', async (t) => {
  const { publisherOn, add, change, remove } = await store(t);
  const bus = new FaultyBus();
  const before = publisherOn(bus);
  const [changed, deleted] = [await add(1, randomUUID(), 'newer'), await add(1, randomUUID(), 'newer')];
  await before.publish();
  await change(changed);
  await remove(deleted);
  await before.publish();
  await before.leadership[Symbol.asyncDispose]();
  for (const id of [changed, deleted]) bus.repeat(id, 1);
  // Kafka does not tell at once which topics there are.
  let asked = 0;
  const listTopics = async () => {
    if (asked++ === 0) throw isAway();
    return await bus.listTopics();
  };
  const heir = publisherOn({
    listTopics,
    send: (topic, record) => bus.send(topic, record),
    feed: (options) => bus.feed(options),
  });
  await waitUntil('the heir puts them right', async () => {
    await heir.publish();
    return bus.generations(changed).length > 3 && bus.generations(deleted).length > 3;
  });
  assert.deepEqual(bus.generations(changed), [1, 2, 1, 2]);
  assert.deepEqual(bus.generations(deleted), [1, 0, 1, 0]);
});

test('what was read as the leader is sent before anything else is asked', async (t) => {
  const { publisherOn, add, db } = await store(t);
  const bus = new FaultyBus();
  const first = await add();
  const gate = Promise.withResolvers<void>();
  let isSlow = false;
  const slow: Pick<Database, 'query' | 'transaction'> = {
    async query(sql, values) {
      if (isSlow && sql.includes('from deleted_integrations')) await gate.promise;
      return await db.query(sql, values);
    },
    transaction: (work) => db.transaction(work),
  };
  const { publisher, time } = publisherOn(bus, { db: slow as Database });
  await publisher.begin(never);
  await publisher.idle(); // it comes back to those who look for stragglers
  const second = await add();
  bus.repeat(first, 1); // it is looked at
  isSlow = true;
  time.leap += 1000;
  const begun = publisher.begin(never);
  await waitUntil('it is sent', () => bus.generations(second).length === 1);
  gate.resolve();
  await begun;
  assert.deepEqual([bus.generations(first), bus.generations(second)], [[1, 1], [1]]);
});

test('records of a transaction that commits late are not passed over', async (t) => {
  const { publisherOn, add, postgresUrl, waiting } = await store(t);
  const bus = new FaultyBus();
  const { publish } = publisherOn(bus);
  await using client = await connectedClient(postgresUrl);
  await client.query('begin');
  await client.query(
    "insert into outbox (integration_id, generation, topic, key) values (gen_random_uuid(), 1, 'x', 'late')",
  );
  const id = await add(); // a larger number, committed before
  await publish();
  assert.deepEqual(bus.generations(id), [1]);
  await client.query('commit');
  await publish();
  assert.deepEqual(bus.generations('late'), [0]);
  assert.equal(await waiting(), 0);
});

test('a relay goes on by itself when Kafka is back', async (t) => {
  const { node, add, stack } = await store(t);
  const bus = new FaultyBus();
  bus.fails = isAway;
  const relay = stack.use(startRelay(node(bus)));
  const id = await add();
  relay.wake();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(bus.generations(id), []);
  bus.fails = () => undefined;
  await waitUntil('published', () => bus.generations(id).length === 1);
});

test('a relay publishes when it is woken, and does not wait for its next look', async (t) => {
  const { node, add, stack } = await store(t);
  const bus = new FaultyBus();
  const deps = node(bus);
  const looks: (() => void)[] = [];
  // Its looks never come.
  const clock = { ...deps.clock, sleep: () => new Promise<void>((resolve) => looks.push(resolve)) };
  const relay = stack.use(startRelay({ ...deps, clock }));
  await waitUntil('it has looked', () => looks.length > 0);
  const id = await add();
  relay.wake();
  await waitUntil('published', () => bus.generations(id).length === 1);
  for (const look of looks) look();
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

/** Another id that goes to the same partition. */
function samePartition(id: string): string {
  for (;;) {
    const other = randomUUID();
    if (partitionOf(other) === partitionOf(id)) return other;
  }
}

test('the topic of an integration that did not come to be goes, that of one that did stays', async (t) => {
  const { db, stack, node } = await store(t);
  const bus = new FaultyBus();
  const stored = firstRevision(create(IntegrationSchema, HTTP), randomUUID(), Date.now());
  const failed = randomUUID();
  for (const id of [stored.integration.id, failed]) await planTopicDeletion(db, id, 0);
  await saveNew(db, topics, ANYBODY, stored, undefined, new Date(0));
  stack.use(startTopicSweep({ ...node(bus), bus }));
  await waitUntil('the orphan is gone', () => bus.deleted.length === 2);
  assert.ok(bus.deleted.every((name) => name.includes(failed)));
});

test('topics go after the tombstones are published, as soon as Kafka lets them', async (t) => {
  const { publisherOn, add, remove, db, stack } = await store(t);
  const bus = new FaultyBus();
  bus.fails = (key) => (key === 'delete' ? isAway() : undefined);
  const { publish, ...deps } = publisherOn(bus);
  const id = await add();
  const kept = await add();
  await publish();
  await remove(id);
  stack.use(startTopicSweep({ ...deps, bus }));
  assert.deepEqual(await db.query('select due_time from topic_deletions'), [{ due_time: null }]);
  await publish();
  bus.fails = () => undefined;
  await waitUntil('they are gone', () => bus.deleted.length > 0, 30_000);
  assert.deepEqual(bus.deleted, [topics.messages(id).name, topics.deadLetters(id).name]);
  await waitUntil(
    'nothing is left to do',
    async () => (await db.query('select from topic_deletions')).length === 0,
  );
  assert.ok(!bus.deleted.includes(topics.messages(kept).name));
});
