import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Claim } from '../../src/bus/bus.ts';
import { GroupMember } from '../../src/bus/kafka/group-member.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { FakeGroup, FakeWire, type Loss } from '../helpers/fake-group.ts';
import { testDeps } from '../helpers/test-deps.ts';

const TOPIC = 't';
const PARTITIONS = 6;
/** How long after its lease a member is in the group at least, in milliseconds. */
const MARGIN = 2000;
const NAMES = Array.from({ length: PARTITIONS }, (_, partition) => `${TOPIC}/${partition}`);

interface Joined {
  readonly wire: FakeWire;
  readonly membership: GroupMember;
  /** What it may work on, as `topic/partition`. */
  held(): readonly string[];
  /** As whom, for each. */
  holders(): readonly string[];
}

/** A group whose members are in this process. */
function world() {
  const clock = new FakeClock();
  const group = new FakeGroup(clock);
  group.topics.set(TOPIC, PARTITIONS);
  const all: Joined[] = [];
  /** @param release how long it takes to let go of a partition, in milliseconds */
  const join = (release = 200): Joined => {
    const wire = new FakeWire(group, clock);
    const claims = new Set<Claim>();
    const membership = new GroupMember(
      wire.kafka,
      {
        groupId: 'g',
        topics: [TOPIC],
        onGained: (claim) => claims.add(claim),
        async onLost(claim) {
          await clock.sleep(release);
          claims.delete(claim);
        },
      },
      { ...testDeps(), clock, random: () => 0.5 },
    );
    const isHeld = (claim: Claim) => claim.isHeld();
    const member = {
      wire,
      membership,
      held: () => [...claims].filter(isHeld).map(({ topic, partition }) => `${topic}/${partition}`),
      holders: () => [...claims].filter(isHeld).map((claim) => claim.member),
    };
    all.push(member);
    return member;
  };
  /** Looks after each timer whether anything is held by two, or could be before what is begun now has ended. */
  const run = (ms: number) =>
    clock.advance(ms, () => {
      const held = all.flatMap((member) => member.held());
      assert.equal(new Set(held).size, held.length, `held by two: ${all.map((one) => one.held().join())}`);
      for (const memberId of all.flatMap((member) => member.holders())) {
        assert.ok(group.keeps(memberId) >= MARGIN, `${memberId} is out in ${group.keeps(memberId)} ms`);
      }
    });
  const stop = async () => {
    const ended = Promise.all(all.map(({ membership }) => membership[Symbol.asyncDispose]()));
    await clock.advance(120_000);
    await ended;
    assert.equal(clock.timers, 0);
  };
  return { clock, group, join, run, stop, all };
}

test('what a member holds goes to another one only when its lease is over, although its heartbeats are answered', async () => {
  const { join, run, stop } = world();
  const half = join();
  const other = join();
  await run(10_000);
  assert.deepEqual([half.held().length, other.held().length], [3, 3]);
  half.wire.loss[0] = 'requests'; // it is told of the rebalance, and what it joins with gets lost
  join();
  await run(9500);
  half.wire.loss[1] = 'answers'; // and it does not hear that it is out
  await run(20_000);
  assert.deepEqual(half.held(), []);
  half.wire.loss.fill('nothing');
  await run(40_000);
  assert.equal(half.held().length, 2);
  await stop();
});

test('who is let in, and of whom Kafka does not hear what it asks for, has no lease when Kafka waits no more', async () => {
  const { join, run, stop } = world();
  const half = join();
  await run(10_000);
  half.wire.delay[0] = 300;
  join();
  await run(1000); // it has joined anew, and its answer is on its way
  half.wire.loss[0] = 'requests';
  await run(9000);
  half.wire.loss[1] = 'answers';
  await run(20_000);
  assert.deepEqual(half.held(), []);
  await stop();
});

test('an answer that comes late prolongs the lease from when it was asked for', async () => {
  const { join, run, stop } = world();
  const member = join();
  await run(1000);
  member.wire.delay[1] = 1400;
  await run(20_000);
  assert.equal(member.held().length, PARTITIONS, 'late answers are enough');
  member.wire.loss[1] = 'requests';
  await run(10_000);
  assert.deepEqual(member.held(), []);
  await stop();
});

test('a member that is told that it is none, while what it gets is on its way, joins anew', async () => {
  const { group, join, run, stop } = world();
  const member = join();
  member.wire.delay[0] = 1000;
  await run(7200); // it was let in, knows the partitions, and has asked for what it gets
  group.remove(group.memberIds[0]!);
  await run(30_000);
  assert.deepEqual(member.held().toSorted(), NAMES);
  await stop();
});

const fault = fc.record({
  at: fc.nat({ max: 60_000 }),
  lasts: fc.integer({ min: 100, max: 25_000 }),
  who: fc.nat({ max: 3 }),
  line: fc.constantFrom(0 as const, 1 as const),
  what: fc.constantFrom('requests' as const, 'answers' as const, 300, 1200),
});
/** When each member joins, and leaves, if it does. */
const stay = fc.record({
  from: fc.nat({ max: 40_000 }),
  lasts: fc.option(fc.integer({ min: 1, max: 30_000 })),
  release: fc.integer({ min: 1, max: 4000 }),
});

test('a member that leaves while it joins is out as soon as that has ended', async () => {
  const { clock, group, join } = world();
  const member = join();
  member.wire.delay[0] = 100;
  await clock.advance(100);
  let isOut = false;
  void member.membership[Symbol.asyncDispose]().then(() => {
    isOut = true;
  });
  await clock.advance(2000);
  assert.deepEqual([isOut, group.memberIds.length], [true, 0]);
});

test('whatever is lost or late, nothing is held by two, and in the end all is held', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { maxLength: 10 }),
      fc.tuple(stay, stay, stay, stay),
      async (faults, stays) => {
        const { clock, join, run, stop, all } = world();
        const present = new Map<number, ReturnType<typeof join>>();
        for (const [who, { from, lasts, release }] of stays.entries()) {
          clock.setTimer(() => present.set(who, join(release)), from);
          if (lasts !== null) {
            clock.setTimer(() => {
              void present.get(who)!.membership[Symbol.asyncDispose]();
              present.delete(who);
            }, from + lasts);
          }
        }
        for (const { at, lasts, who, line, what } of faults) {
          const set = (loss: Loss, delay: number) => {
            const wire = present.get(who)?.wire;
            if (!wire) return;
            wire.loss[line] = loss;
            wire.delay[line] = delay;
          };
          clock.setTimer(() => (typeof what === 'string' ? set(what, 2) : set('nothing', what)), at);
          clock.setTimer(() => set('nothing', 2), at + lasts);
        }
        await run(130_000);
        const held = all.flatMap((member) => member.held());
        assert.deepEqual(held.toSorted(), present.size > 0 ? NAMES : []);
        await stop();
      },
    ),
    { numRuns: 30 },
  );
});
