import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Policy } from '../../src/executor/delivery/policy.ts';
import { type Plan, type Script, type TestProcess, World } from '../helpers/delivery-world.ts';

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
const SHAPE = { partitions: 1, pack: { maxMessages: 1, maxBytes: 1e9 }, parallel: 4, policy: POLICY };

const answer = (plan: Partial<Plan>): Script => ({
  answer: 'outcomes',
  plans: [{ outcome: 'delivered', delay: 1, stubborn: true, ...plan }],
});
const STUCK = answer({ outcome: FailureClass.THROTTLED, retryAfter: 3_600_000 });
const OTHERS = 300;

/** One message that is not settled, and others of another client behind it that are, and that Kafka knows to be. */
async function behindAStuckOne(script = [STUCK]) {
  const world = new World(SHAPE, script);
  const first = await world.start();
  world.publish(0, 'stuck');
  await world.advance(100);
  for (let i = 0; i < OTHERS; i++) world.publish(0, 'other');
  await world.advance(3000);
  return { world, first };
}

const deliveries = (world: World) => world.messages.map(({ landed }) => landed);
const messagesOf = ({ executor }: TestProcess) => executor.statistics.report(executor.delivery.window, 0);

test('what is delivered behind a message that is not is committed each second, beside the offset, and not again while nothing changes', async () => {
  const { world } = await behindAStuckOne();
  const { commits, aheads } = world.kafka;
  assert.equal(commits.get(0), 0);
  assert.deepEqual(aheads.get(0)?.ranges, [{ start: 1, end: OTHERS + 1 }]);
  let committed = 0;
  world.committed = (...commit) => {
    committed++;
    World.prototype.committed.apply(world, commit);
  };
  await world.advance(60_000);
  assert.equal(committed, 0);
  world.publish(0, 'other');
  await world.advance(1100);
  assert.equal(committed, 1);
  assert.deepEqual(aheads.get(0)?.ranges, [{ start: 1, end: OTHERS + 2 }]);
});

test('whoever goes on, and however it was left: what was delivered behind a message that was not does not come again', async () => {
  const ways: Record<string, (world: World, first: TestProcess) => Promise<unknown>> = {
    'killed, and another goes on': async (world, first) => {
      first.kill();
      await world.start();
    },
    'stopped, and another goes on': async (world, first) => {
      await Promise.all([first.stop(5000), world.advance(6000)]);
      await world.start();
    },
    'another takes over while it lives': async (world) => {
      await world.start();
      world.kafka.rotation = 1;
      world.kafka.rebalance();
    },
    'killed, and who goes on is stopped before it has read anything': async (world, first) => {
      first.kill();
      await world.advance(7000);
      const second = await world.start();
      await Promise.all([second.stop(0), world.advance(1000)]);
      assert.deepEqual(world.kafka.aheads.get(0)?.ranges, [{ start: 1, end: OTHERS + 1 }]);
      await world.start();
    },
    'killed, and who goes on is killed at once': async (world, first) => {
      first.kill();
      await world.advance(7000);
      (await world.start()).kill();
      await world.start();
    },
  };
  for (const [name, leave] of Object.entries(ways)) {
    const { world, first } = await behindAStuckOne();
    assert.deepEqual([first.executor.intake.lag, messagesOf(first).inFlight], [1, 1n], name);
    await leave(world, first);
    await world.advance(20_000);
    assert.deepEqual(deliveries(world), Array(OTHERS + 1).fill(1), name);
    await world.quiesce();
  }
});

test('of what was delivered behind a message that is not, only what came since the last commit comes again after a kill', async () => {
  const { world, first } = await behindAStuckOne([STUCK]);
  for (let i = 0; i < 5; i++) world.publish(0, 'other');
  await world.advance(400); // not committed yet
  first.kill();
  await world.start();
  await world.advance(20_000);
  assert.deepEqual(deliveries(world), [...Array(OTHERS + 1).fill(1), ...Array(5).fill(2)]);
});

test('a message that is stuck again is the only one that waits', async () => {
  const { world, first } = await behindAStuckOne([STUCK]);
  first.kill();
  world.script = [STUCK];
  const second = await world.start();
  await world.advance(7000);
  let committed = 0;
  world.committed = () => committed++;
  await world.advance(20_000);
  assert.equal(committed, 0, 'Kafka knows all of it');
  assert.deepEqual(deliveries(world), [0, ...Array(OTHERS).fill(1)]);
  const { received, delivered, inFlight } = messagesOf(second);
  assert.deepEqual([received, delivered, inFlight, second.executor.intake.lag], [1n, 0n, 1n, 1]);
  assert.equal(second.executor.statistics.taken, OTHERS + 1);
});

test('behind a dead letter that is not kept yet, what was delivered does not come again, and it is kept', async () => {
  const world = new World(SHAPE, [answer({ outcome: FailureClass.REJECTED })]);
  world.kafka.faults.failedSends = 1_000_000;
  const first = await world.start();
  world.publish(0, 'stuck');
  await world.advance(100);
  for (let i = 0; i < OTHERS; i++) world.publish(0, 'other');
  await world.advance(3000);
  first.kill();
  world.script = [answer({ outcome: FailureClass.REJECTED })];
  world.kafka.faults.failedSends = 0;
  await world.start();
  await world.advance(20_000);
  assert.deepEqual(deliveries(world), [0, ...Array(OTHERS).fill(1)]);
  assert.equal(world.messages[0]?.deadLettered, 1);
  assert.equal(world.kafka.commits.get(0), OTHERS + 1);
});

test('what was settled in a topic that was made anew since says nothing of the new one', async () => {
  const { world, first } = await behindAStuckOne();
  first.kill();
  for (const records of world.kafka.log) records.length = 0; // and Kafka has kept the offset
  world.forget();
  world.committed = () => {}; // until it has read them, it commits what it found
  await world.advance(10_000);
  for (let i = 0; i < OTHERS; i++) world.publish(0, 'other');
  await world.start();
  await world.quiesce();
  assert.deepEqual([world.kafka.commits.get(0), world.kafka.aheads.get(0)], [OTHERS, undefined]);
  assert.deepEqual(deliveries(world), Array(OTHERS).fill(1));
});

test('a topic that is made anew while it is read begins with nothing settled', async () => {
  const { world, first } = await behindAStuckOne();
  first.kill();
  world.script = [STUCK];
  await world.start();
  await world.advance(10_000);
  world.kafka.recreate();
  world.forget();
  for (let i = 0; i < OTHERS; i++) world.publish(0, 'other');
  await world.quiesce();
  assert.deepEqual(deliveries(world), Array(OTHERS).fill(1));
});

test('of what retention removed meanwhile, only what was not settled is told as lost', async () => {
  const { world, first } = await behindAStuckOne();
  first.kill();
  world.removeBefore(0, 200);
  const second = await world.start();
  await world.advance(20_000);
  assert.equal(second.executor.retentionLost, 1);
  assert.deepEqual(deliveries(world), [0, ...Array(OTHERS).fill(1)]);
  assert.equal(world.kafka.commits.get(0), OTHERS + 1);
});

test('an offset that was moved by hand is resumed at, whatever was settled ahead of it', async () => {
  for (const offset of [0, 100]) {
    const { world, first } = await behindAStuckOne();
    await Promise.all([first.stop(5000), world.advance(6000)]);
    world.kafka.commits.set(0, offset);
    world.kafka.aheads.delete(0); // as Kafka's own tools do
    world.committed = () => {};
    for (const message of world.messages) message.excused = 1;
    await world.start();
    await world.advance(20_000);
    const expected = world.messages.map((one) => (one.offset < offset ? 1 : 2));
    assert.deepEqual(deliveries(world), [offset === 0 ? 1 : 0, ...expected.slice(1)]);
  }
});
