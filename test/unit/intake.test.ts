import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Bus, CommittedOffset, Membership } from '../../src/bus/bus.ts';
import type { Delivery } from '../../src/executor/delivery/delivery.ts';
import { Intake } from '../../src/executor/delivery/intake.ts';
import type { Policy } from '../../src/executor/delivery/policy.ts';
import { type Plan, type Script, World } from '../helpers/delivery-world.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const POLICY: Policy = {
  strategy: 'RETRY_ALL',
  retries: 0,
  pauseBetweenRetries: 100,
  maxPause: 1000,
  packProcessingTimeout: 60_000,
  maxInFlight: 4,
  maxInFlightBytes: 1e6,
  deadLetter: true,
  maxHops: 8,
};

const answer = (plan: Partial<Plan>): Script => ({
  answer: 'outcomes',
  plans: [{ outcome: 'delivered', delay: 1, stubborn: false, ...plan }],
});
const throttled = (retryAfter: number) => answer({ outcome: FailureClass.THROTTLED, retryAfter });

async function worldWith(script: readonly Script[], policy: Partial<Policy> = {}, partitions = 1) {
  const world = new World(
    { partitions, pack: { maxMessages: 1, maxBytes: 1e9 }, parallel: 4, policy: { ...POLICY, ...policy } },
    script,
  );
  const publish = (count: number, partition = 0, key: string | null = 'a') => {
    for (let i = 0; i < count; i++) world.publish(partition, key);
  };
  return { world, publish, landed: () => world.messages.map((message) => message.landed) };
}

test('an executor that was cut off leaves alone what another one has delivered meanwhile', async () => {
  const { world, publish, landed } = await worldWith([throttled(40_000)]);
  publish(3);
  const cutOff = await world.start();
  await world.advance(1000);
  void cutOff.client.isolate(15_000);
  await world.advance(7000);
  const other = await world.start();
  publish(2);
  await world.advance(5000);
  assert.deepEqual(landed(), [1, 1, 1, 1, 1]);
  await Promise.all([other.stop(1000), world.advance(3000)]);
  await world.advance(10_000);
  assert.deepEqual(cutOff.client.owned, [0]);
  assert.equal(cutOff.executor.delivery.window.size, 0);
  publish(1);
  await world.quiesce();
  assert.deepEqual(landed(), [1, 1, 1, 1, 1, 1]);
});

test('an executor whose machine was suspended leaves alone what another one has delivered meanwhile', async () => {
  const { world, publish, landed } = await worldWith([throttled(10_000)]);
  publish(3);
  const suspended = await world.start();
  await world.advance(1000);
  void suspended.suspend(15_000);
  await world.advance(7000);
  const other = await world.start();
  publish(2);
  await world.advance(10_000);
  assert.deepEqual(landed(), [1, 1, 1, 1, 1]);
  assert.deepEqual(other.client.owned, [0]);
  await world.quiesce();
  assert.deepEqual(landed(), [1, 1, 1, 1, 1]);
});

test('an executor that takes over is not told of losses that are none', async () => {
  const quick = Array.from({ length: 8 }, () => answer({}));
  const slow = Array.from({ length: 4 }, () => answer({ delay: 3000 }));
  const { world, publish } = await worldWith([...quick, ...slow]);
  await world.start();
  publish(5);
  await world.advance(2000); // committed
  publish(8, 0, null);
  await world.advance(100); // three are delivered, and committed not before the rebalance
  world.kafka.rotation = 1;
  const second = await world.start();
  await world.advance(5000);
  assert.deepEqual(second.client.owned, [0]);
  await world.quiesce();
});

test('what retention removed before it was delivered is told, once, and the rest is delivered', async () => {
  const { world, publish, landed } = await worldWith([]);
  publish(2);
  const first = await world.start();
  await world.advance(2000);
  await Promise.all([first.stop(1000), world.advance(3000)]);
  publish(5, 0, null);
  world.removeBefore(0, 4);
  const second = await world.start();
  await world.advance(3000);
  assert.equal(second.executor.retentionLost, 2);
  assert.deepEqual(landed(), [1, 1, 0, 0, 1, 1, 1]);
  assert.equal(world.kafka.commits.get(0), 7);
});

test('behind a large gap that retention left, delivery goes on as soon as what is on its way is settled', async () => {
  const gap = 150_000_000;
  const { world, publish, landed } = await worldWith([answer({ delay: 300 })]);
  publish(1);
  const { executor } = await world.start();
  await world.advance(100);
  world.publish(0, 'b', 'plain', gap);
  publish(1, 0, 'c');
  await world.advance(190);
  assert.deepEqual([landed(), executor.retentionLost], [[0, 0, 0], 0]);
  assert.ok(world.kafka.offered < 10, `${world.kafka.offered} records`);
  await world.advance(50); // without a tick
  assert.deepEqual([landed(), executor.retentionLost], [[1, 1, 1], gap]);
  await world.advance(2000);
  assert.equal(world.kafka.commits.get(0), gap + 3);
});

test('a small gap is stepped over while something before it is on its way', async () => {
  const { world, publish, landed } = await worldWith([answer({ delay: 300 })]);
  publish(1);
  const { executor } = await world.start();
  await world.advance(100);
  world.publish(0, 'b', 'plain', 1000);
  await world.advance(100);
  assert.deepEqual([landed(), executor.retentionLost], [[0, 1], 1000]);
});

test('a topic that was made anew is delivered from its beginning', async () => {
  const { world, publish } = await worldWith([]);
  publish(5);
  const executor = await world.start();
  await world.advance(2000);
  world.kafka.recreate();
  world.forget();
  publish(2);
  await world.advance(3000);
  assert.deepEqual(
    world.messages.map(({ landed }) => landed),
    [1, 1],
  );
  assert.equal(world.kafka.commits.get(0), 2);
  assert.equal(executor.executor.retentionLost, 0);
});

test('while it stops, an integration is not fed in a circle', async () => {
  const { world, publish } = await worldWith([answer({ delay: 4000 })]);
  publish(50);
  const executor = await world.start();
  await world.advance(10);
  const { offered } = world.kafka;
  const stopped = executor.stop(5000);
  await world.advance(3900);
  assert.ok(world.kafka.offered - offered < 10, `${world.kafka.offered - offered} records`);
  await Promise.all([stopped, world.advance(5000)]);
});

test('what waits for a retry when its share is lost is delivered by whoever gets it', async () => {
  const failing = Array.from({ length: 4 }, () => throttled(300_000));
  const { world, publish } = await worldWith(failing, {}, 2);
  const first = await world.start();
  publish(4, 1, null);
  await world.advance(1000);
  const second = await world.start(); // gets the second share
  await world.advance(5000);
  assert.deepEqual([first.client.owned, second.client.owned], [[0], [1]]);
  publish(3, 0);
  await world.advance(5000);
  assert.equal(world.kafka.commits.get(0), 3);
  assert.equal(world.kafka.commits.get(1), 4);
});

test('a message that expires while it waits behind another of its key is given up without a try', async () => {
  const { world, publish } = await worldWith([answer({ delay: 3000 })]);
  publish(1);
  world.publish(0, 'a', 'expires');
  publish(1);
  await world.start();
  await world.advance(100);
  await world.quiesce();
  assert.deepEqual(
    world.messages.map(({ landed, deadLettered }) => [landed, deadLettered]),
    [
      [1, 0],
      [0, 1],
      [1, 0],
    ],
  );
});

test('a stop waits for a dead letter within its grace; one that is not kept comes again', async () => {
  for (const [failedSends, letters] of [
    [2, 1],
    [1000, 0],
  ] as const) {
    const { world, publish } = await worldWith([answer({ outcome: FailureClass.REJECTED })]);
    world.kafka.faults.failedSends = failedSends;
    publish(1);
    const executor = await world.start();
    await world.advance(5);
    await Promise.all([executor.stop(5000), world.advance(8000)]);
    assert.equal(world.messages[0]?.deadLettered, letters);
    assert.equal(world.kafka.commits.get(0), letters);
    await world.quiesce();
    assert.equal(world.messages[0]?.landed, 1 - letters);
  }
});

test('the lag grows while the window is full and nothing is fetched', async () => {
  const { world, publish } = await worldWith([answer({ delay: 20_000 })], {
    maxInFlight: 1,
    packProcessingTimeout: 30_000,
  });
  publish(3, 0, null);
  const executor = await world.start();
  await world.advance(1000);
  const before = executor.executor.intake.lag;
  publish(40, 0, null);
  await Promise.all([executor.executor.intake.refreshLag(), world.advance(10)]);
  assert.deepEqual([before, executor.executor.intake.lag], [3, 43]);
  await world.quiesce();
});

test('partitions that a node of Kafka does not know yet are waited for', async () => {
  const { world, publish, landed } = await worldWith([], {}, 2);
  world.kafka.faults.staleMetadata = 5;
  publish(2, 1);
  await world.start();
  await world.advance(3000);
  assert.deepEqual(landed(), [1, 1]);
});

test('partitions that the topic is given later are read by whoever has their share, and count before', async () => {
  const { world, publish, landed } = await worldWith([], {}, 2);
  const first = await world.start();
  const second = await world.start();
  await world.advance(3000);
  world.grow();
  publish(3, 2);
  world.kafka.faults.refusedCommits = 1; // it is tried again
  await world.advance(8000);
  assert.equal(Math.max(...world.executors.map(({ intake }) => intake.lag)), 3);
  await world.advance(5000);
  assert.deepEqual(landed(), [1, 1, 1]);
  assert.equal(world.kafka.commits.get(2), 3);
  await Promise.all([first.stop(1000), second.stop(1000), world.advance(3000)]);
  assert.deepEqual(
    [...world.kafka.tags],
    [
      [0, ''],
      [1, ''],
      [2, ''],
    ],
  );
});

test('partitions that the topic is given later are read, also when the node that is asked next does not know them yet', async () => {
  const { world, publish, landed } = await worldWith([], {}, 2);
  await world.start();
  await world.advance(3000);
  world.grow();
  world.kafka.faults.staleMetadata = 3;
  publish(3, 2);
  await world.advance(20_000);
  assert.deepEqual(landed(), [1, 1, 1]);
});

test('who stops lets go of a partition that was made anew and has nothing yet, and of none that is not its own', async () => {
  for (const [kept, left] of [
    [undefined, undefined], // Kafka has deleted the offsets with the topic
    [
      [5, 'http@m1'],
      [0, ''],
    ],
    [
      [3, 'other@m2'],
      [3, 'other@m2'],
    ],
  ] as const) {
    const { world, publish } = await worldWith([]);
    const { commits, tags } = world.kafka;
    publish(5);
    const first = await world.start();
    await world.advance(2000);
    assert.deepEqual([commits.get(0), tags.get(0)], [5, 'http@m1']);
    world.kafka.recreate();
    world.forget();
    if (kept) commits.set(0, kept[0]);
    if (kept) tags.set(0, kept[1]);
    await Promise.all([first.stop(1000), world.advance(3000)]);
    assert.deepEqual([commits.get(0), tags.get(0)], left ?? [undefined, undefined]);
  }
});

test('what is on its way when the lease ends is cut off, and that is no try that failed', async () => {
  const { world, publish, landed } = await worldWith([answer({ delay: 7000 })], { strategy: 'SKIP_ALL' });
  publish(2);
  const cutOff = await world.start();
  await world.advance(100);
  void cutOff.client.isolate(9000);
  await world.advance(8000); // it would have landed by now
  assert.deepEqual(landed(), [0, 0]);
  await world.quiesce();
  assert.deepEqual(
    world.messages.map((message) => [message.landed, message.deadLettered]),
    [
      [1, 0],
      [1, 0],
    ],
  );
});

/** An intake whose topic and delivery are played; `offer` gives it a record. */
function intakeAlone(commit: (tag: string) => Promise<void>) {
  const clock = new FakeClock();
  const state = {
    settled: 0 as number | undefined,
    ahead: 0,
    size: 0,
    committed: [] as readonly CommittedOffset[],
    offer: () => false,
    /** The topic was made anew, and ends there. */
    recreate: (_end: number) => {},
  };
  const never = new Promise<void>(() => {});
  const intake = new Intake(
    { topic: 't', shard: 0, shards: 1, spread: 'http/1' },
    {
      ...testDeps(),
      clock,
      bus: {
        partitions: async () => [0],
        onGrown: () => ({ [Symbol.dispose]() {} }),
        feed: ({ take, onReset, onPosition }) => {
          state.recreate = (end) => {
            onReset?.(0);
            onPosition?.(0, end);
          };
          state.offer = () =>
            take({ topic: 't', partition: 0, offset: 0, timestamp: 0, key: null, value: null });
          return { resume() {}, backlog: async () => 0, [Symbol.dispose]() {} };
        },
      } as Partial<Bus> as Bus,
      membership: { committed: async () => state.committed } as Partial<Membership> as Membership,
      claim: {
        topic: 'downlink',
        partition: 0,
        member: 'm',
        isOver: false,
        isHeld: () => true,
        commit: ([one]) => commit(one!.tag),
      },
      delivery: {
        changed: () => never,
        tick() {},
        hasSpace: () => true,
        lose() {},
        window: {
          get size() {
            return state.size;
          },
          next: () => undefined,
          missing: () => undefined,
          mayReach: () => true,
          settled: () => state.settled,
          own() {},
          isSettled: () => false,
          stepOver() {},
          committable: () => (state.settled === undefined ? [] : [{ partition: 0, offset: state.settled }]),
          ahead: () => state.ahead,
          position: () => ({ offset: state.settled }),
        },
      } as unknown as Delivery,
      events: { undecodable() {}, retentionLost() {}, settledBefore() {} },
      leaving: new AbortController().signal,
    },
  );
  return { intake, clock, state };
}

test('a commit that is due when the intake ends does not come after the one that lets go of the partition', async () => {
  const tags: string[] = [];
  const slow = Promise.withResolvers<void>();
  const { intake, clock, state } = intakeAlone(async (tag) => {
    tags.push(tag);
    if (tags.length === 2) await slow.promise;
  });
  await intake.start(new AbortController().signal);
  state.settled = 1;
  state.offer();
  await clock.advance(1000); // this commit takes its time
  state.settled = 2;
  await clock.advance(1000); // and this one waits for it
  await intake[Symbol.asyncDispose]();
  slow.resolve();
  await clock.advance(10_000);
  assert.deepEqual(tags, ['http/1@m', 'http/1@m', '']);
});

test('an integration that has nothing to do has no timer', async () => {
  let commits = 0;
  let isAway = false;
  const { intake, clock, state } = intakeAlone(async () => {
    commits++;
    if (isAway) throw new Error('Kafka is away');
  });
  await intake.start(new AbortController().signal);
  commits = 0;
  assert.equal(clock.timers, 0);
  state.offer();
  state.size = 1;
  await clock.advance(10_000);
  assert.deepEqual([clock.timers, commits], [1, 0], 'it is on its way');
  [state.size, state.settled, isAway] = [0, 1, true];
  await clock.advance(10_000);
  assert.equal(clock.timers, 1, 'it is not committed');
  assert.ok(commits >= 9, `${commits} tries`);
  [commits, isAway] = [0, false];
  await clock.advance(60_000);
  assert.deepEqual([clock.timers, commits], [0, 1]);
  await intake[Symbol.asyncDispose]();
});

test('what was committed of a topic before it was made anew is neither lag nor committed for the new one', async () => {
  const commits: string[] = [];
  const { intake, clock, state } = intakeAlone(async (tag) => {
    commits.push(tag);
  });
  Object.assign(state, {
    settled: undefined,
    committed: [{ topic: 't', partition: 0, offset: 5, tag: '' }],
  });
  const started = intake.start(new AbortController().signal);
  await clock.advance(5000);
  await started;
  state.committed = []; // gone with the topic
  state.recreate(3);
  assert.equal(intake.lag, 3);
  const before = commits.length;
  await intake[Symbol.asyncDispose]();
  assert.equal(commits.length, before);
});
