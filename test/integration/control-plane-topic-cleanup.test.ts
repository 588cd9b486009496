import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Bus } from '../../src/bus/bus.ts';
import { withdrawTopic } from '../../src/control-plane/store/message-topics.ts';
import { deleteTopic, lockTopic } from '../../src/control-plane/topics/message-topic.ts';
import { deleteWithdrawn, withdrawTopics } from '../../src/control-plane/topics/topic-cleanup.ts';
import { cleanupWorld } from '../helpers/cleanup-world.ts';
import { commitForExecutors } from '../helpers/committing.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type World = Awaited<ReturnType<typeof cleanupWorld>>;

const never = new AbortController().signal;

const times = (count: number, act: () => Promise<unknown>) =>
  Promise.all(Array.from({ length: count }, () => act()));

/** An integration that is disabled for long, with three messages. */
async function longDisabled({ add, publish, age }: World): Promise<string> {
  const id = await add(false);
  await waitUntil('ingress knows it', async () => (await publish(id)) === 1);
  await times(2, () => publish(id));
  await age(id);
  return id;
}

/** Commits for executors that so many messages are settled. */
async function settle(world: World, id: string, count: number): Promise<void> {
  const { name } = world.topics.messages(id);
  await commitForExecutors(world, [{ topic: name, partition: 0, offset: count }]);
}

test('the topic of an integration that is disabled for long goes, and no other', async (t) => {
  const world = await cleanupWorld(t);
  const { node, add, publish, stateOf, incarnationOf, hasTopic, deletions, turn, bus, topics } = world;
  const api = node();
  const [doomed, enabled, recent] = [await longDisabled(world), await add(), await add(false)];
  await world.age(enabled);
  await times(2, () => publish(doomed));
  await settle(world, doomed, 2);

  await withdrawTopics({ ...api, cleanupTtl: 0 }, never);
  await withdrawTopics({ ...api, cleanupTtl: -1 }, never);
  assert.equal(await stateOf(doomed), 'kept', 'no time to live: never');
  await using lock = await node().locks.tryLock('cleanup of topics');
  await withdrawTopics(api, never);
  assert.equal(await stateOf(doomed), 'kept', 'another node is at it');
  await lock![Symbol.asyncDispose]();

  await withdrawTopics(api, never);
  assert.equal(await stateOf(doomed), 'withdrawn');
  await waitUntil('ingress leaves it out', async () => (await publish(doomed)) === 0);
  await waitUntil('it is gone', async () => {
    await deleteWithdrawn(api, never);
    return (await stateOf(doomed)) === 'deleted';
  });
  assert.equal(await hasTopic(doomed), false);
  const told = await deletions(doomed);
  assert.equal(told.length, 1);
  assert.ok(told[0]! >= 3, `${told[0]} of at least five, less two that were settled`);
  for (const id of [enabled, recent]) {
    assert.deepEqual([await stateOf(id), await hasTopic(id), await deletions(id)], ['kept', true, []]);
  }

  assert.equal((await turn(api, doomed, true))?.topicState, 'kept');
  assert.deepEqual([await incarnationOf(doomed), await incarnationOf(enabled)], [2, 1]);
  assert.equal(await publish(doomed), 1);
  assert.equal(await world.messages(doomed), 1);
  const committed = await bus.committed(topics.executors, topics.messages(doomed).name);
  assert.deepEqual([...committed], [], 'no executor skips what comes to the new topic');
});

test('an integration whose topic is gone can be changed, raised, disabled and deleted', async (t) => {
  const world = await cleanupWorld(t);
  const { node, stateOf, turn, spread, remove, bus, topics, hasTopic } = world;
  const api = node();
  const id = await longDisabled(world);
  await withdrawTopics(api, never);
  await waitUntil('it is gone', async () => {
    await deleteWithdrawn(api, never);
    return (await stateOf(id)) === 'deleted';
  });
  await turn(api, id, false);
  assert.equal(await stateOf(id), 'deleted', 'nothing that does not enable it brings the topic back');
  await spread(api, id, 3);
  assert.deepEqual([await stateOf(id), await hasTopic(id)], ['deleted', false]);
  await turn(api, id, true);
  await turn(api, id, false);
  assert.deepEqual([await stateOf(id), await hasTopic(id)], ['kept', true], 'the time begins anew');
  await withdrawTopics(api, never);
  assert.equal(await stateOf(id), 'kept');
  assert.equal((await bus.offsets(topics.messages(id).name)).size, 3);
  assert.ok(await remove(id));
});

test('whoever enables an integration is told that it receives only when it does, also when asking again', async (t) => {
  const world = await cleanupWorld(t);
  const { relay, turn, publish, messages, node } = world;
  const id = await longDisabled(world);
  await withdrawTopics(node(), never);
  await waitUntil('ingress has heard', async () => (await publish(id)) === 0);
  await relay[Symbol.asyncDispose]();
  const { clock } = world;
  const hurried = { ...node(), clock: { ...clock, monotonic: () => 20 * clock.monotonic() } };
  for (const attempt of ['first', 'second']) {
    const { reason } = await rpcRejection(() => turn(hurried, id, true));
    assert.equal(reason, 'NOT_PUBLISHED', attempt);
  }
  const before = await messages(id);
  world.relayAgain();
  await turn(node(), id, true);
  assert.equal(await publish(id), 1);
  assert.equal(await messages(id), before + 1);
});

test('a control plane does all of it by itself, as its settings say', async (t) => {
  const settings = { cleanupPeriod: 500, cleanupTtl: 1000, orphanDelay: 500 };
  const system = await controlPlaneForTests(t, settings);
  const { client, bus, topics } = system;
  await executorForTests(t, system);
  const orphan = randomUUID();
  await bus.createTopics([topics.messages(orphan)]);
  const create = async (enabled: boolean) => {
    const { integration } = await client.createIntegration({ integration: { ...HTTP, enabled } });
    return integration!.id;
  };
  const [disabled, enabled] = [await create(false), await create(true)];
  await waitUntil('what is not used is gone', async () => {
    const names = await bus.listTopics();
    return [disabled, orphan].every((id) => !names.includes(topics.messages(id).name));
  });
  assert.ok((await bus.listTopics()).includes(topics.messages(enabled).name));
});

test('a cleanup that is stopped goes no further than its step', async (t) => {
  const world = await cleanupWorld(t);
  const { add, age, bus, db } = world;
  for (const id of [await add(false), await add(false)]) await age(id);
  const stop = new AbortController();
  let steps = 0;
  const offsets = (topic: string) => {
    steps++;
    stop.abort(new Error('it stops'));
    return bus.offsets(topic);
  };
  await withdrawTopics(world.node(), never);
  await waitUntil('both are due', async () => {
    const rows = await db.query('select from integrations where topic_due_time <= now()');
    return rows.length === 2;
  });
  await assert.rejects(deleteWithdrawn(world.node({ ...bus, offsets }), stop.signal), /it stops/);
  assert.equal(steps, 1);
});

/** Where a cleanup is stopped: what of the bus it waits in. Without one: before or after all of that. */
const STEPS = {
  'before anything is done': { reach: 'nothing' },
  'when it is withdrawn': { reach: 'withdrawn' },
  'when the messages are counted': { reach: 'paused', method: 'offsets', when: 'before' },
  'when its deletion has begun': { reach: 'paused', method: 'deleteTopics', when: 'before' },
  'when the topic is gone': { reach: 'paused', method: 'deleteTopics', when: 'after' },
  'when all is done': { reach: 'done' },
} as const;
type Step = (typeof STEPS)[keyof typeof STEPS];

/** The bus of a cleanup that waits at its step, until it is let go on. */
function stopped(bus: Bus, step: Step) {
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const waiting = (method: 'offsets' | 'deleteTopics', call: () => Promise<unknown>) => async () => {
    const isHere = 'method' in step && step.method === method;
    const wait = async () => {
      reached.resolve();
      await goOn.promise;
    };
    if (isHere && step.when === 'before') await wait();
    const result = await call();
    if (isHere && step.when === 'after') await wait();
    return result;
  };
  const stopping: Pick<Bus, 'createTopics' | 'deleteTopics' | 'offsets' | 'committed'> = {
    createTopics: (all) => bus.createTopics(all),
    committed: (groupId, topic) => bus.committed(groupId, topic),
    offsets: (topic) => waiting('offsets', () => bus.offsets(topic))() as ReturnType<Bus['offsets']>,
    deleteTopics: (names) => waiting('deleteTopics', () => bus.deleteTopics(names))() as Promise<void>,
  };
  return { bus: stopping, reached: reached.promise, goOn: goOn.resolve };
}

/** Has the cleanup of an integration run to a step, enables it there, and lets the cleanup go on, or die. */
async function race(world: World, step: Step, dies: boolean): Promise<void> {
  const { node, publish, turn, stateOf, messages, deletions, db, topics } = world;
  const id = await longDisabled(world);
  const before = await messages(id);
  const halting = stopped(world.bus, step);
  const cleaner = node(halting.bus);
  const clean = async () => {
    await waitUntil('it is due', async () => {
      const rows = await db.query('select from integrations where id = $1 and topic_due_time <= now()', [id]);
      return rows.length === 1;
    });
    await using lock = await lockTopic(cleaner, id);
    if (lock) await deleteTopic(cleaner, id, lock);
  };
  let cleaning: Promise<unknown> = Promise.resolve();
  if (step.reach !== 'nothing') await withdrawTopic(db, topics, id, world.cleanupTtl);
  if (step.reach === 'done') await clean();
  if (step.reach === 'paused') {
    cleaning = clean().catch((error: unknown) => error);
    await halting.reached;
  }
  if (dies) await cleaner.locks[Symbol.asyncDispose](); // as the end of a process ends its connection
  const enabling = turn(node(), id, true);
  if (!dies) {
    // An enabling that does not wait for the cleanup would be through before it goes on.
    await new Promise((resolve) => setTimeout(resolve, 500));
    halting.goOn();
    await cleaning;
  }
  assert.equal((await enabling)?.integration.enabled, true);
  for (let n = 0; n < 5; n++) assert.equal(await publish(id), 1, 'ingress writes to it');
  // Neither the cleanup nor another one takes it away again.
  const heir = node();
  for (let n = 0; n < 3; n++) {
    await withdrawTopic(db, topics, id, world.cleanupTtl);
    await using lock = await lockTopic(heir, id);
    if (lock) await deleteTopic(heir, id, lock);
  }
  assert.equal(await stateOf(id), 'kept');
  const told = await deletions(id);
  const isGone = told.length > 0;
  assert.deepEqual(told, isGone ? [before] : [], 'the event says how many went, once');
  assert.equal(await messages(id), isGone ? 5 : before + 5, 'nothing published after it was enabled is lost');
  const begun = 'method' in step && step.method === 'deleteTopics';
  assert.equal(isGone, begun || step.reach === 'done', 'before the deletion has begun, nothing goes');
}

for (const dies of [false, true]) {
  test(`enabling while the cleanup ${dies ? 'dies' : 'waits'} at each of its steps`, {
    concurrency: true,
  }, async (t) => {
    const world = await cleanupWorld(t);
    await Promise.all(
      Object.entries(STEPS).map(([name, step]) => t.test(name, () => race(world, step, dies))),
    );
  });
}
