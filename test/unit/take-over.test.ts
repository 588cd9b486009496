import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BusError, type Claim, type CommittedOffset, type Membership } from '../../src/bus/bus.ts';
import { tagOf } from '../../src/executor/delivery/share.ts';
import { letGo, untilFree } from '../../src/executor/delivery/take-over.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const SHARE = { topic: 't', shard: 0, shards: 2, spread: 'http/2' };

/** A group's members and offsets, on one clock. */
class Group {
  readonly clock = new FakeClock();
  readonly committed = new Map<number, [offset: number, tag: string]>();
  readonly members = new Set(['me', 'other']);
  /** Kafka does not answer. */
  isAway = false;

  constructor(offsets: Record<number, [offset: number, tag: string]> = {}) {
    for (const [partition, one] of Object.entries(offsets)) this.committed.set(Number(partition), one);
  }

  /** What a member has, as far as it can reach Kafka. */
  deps(member = 'me', isAway = () => false) {
    const answer = async () => {
      await this.clock.sleep(5);
      if (this.isAway || isAway()) throw new BusError('failed', 'no answer');
    };
    const { members, committed } = this;
    const membership: Membership = {
      joined: Promise.resolve(),
      holdsLease: () => members.has(member),
      committed: async (partitions) => {
        await answer();
        return partitions.flatMap(({ topic, partition }): CommittedOffset[] => {
          const found = this.committed.get(partition);
          return found ? [{ topic, partition, offset: found[0], tag: found[1] }] : [];
        });
      },
      members: async () => {
        await answer();
        return new Set(this.members);
      },
      async [Symbol.asyncDispose]() {},
    };
    const claim: Claim = {
      topic: 'downlink',
      partition: 0,
      member,
      get isOver() {
        return !members.has(member);
      },
      isHeld: () => members.has(member),
      async commit(all) {
        await answer();
        if (!members.has(member)) throw new BusError('failed', 'no member');
        for (const { partition, offset, tag } of all) committed.set(partition, [offset, tag]);
      },
    };
    return { ...testDeps(), clock: this.clock, membership, claim };
  }

  /** What becomes of a try to take 0 and 2 over. */
  take() {
    const stop = new AbortController();
    const taken = { offsets: undefined as unknown, error: '' };
    untilFree(SHARE, [0, 2], this.deps(), stop.signal).then(
      (offsets) => Object.assign(taken, { offsets: offsets.map((one) => [one.partition, one.offset]) }),
      (error: Error) => Object.assign(taken, { error: error.message }),
    );
    return Object.assign(taken, { stop });
  }
}

test('what nobody works on is free at once, from where it was left, or from its beginning', async () => {
  const group = new Group({ 0: [7, ''] });
  const taken = group.take();
  await group.clock.advance(50);
  assert.deepEqual(taken.offsets, [
    [0, 7],
    [2, 0],
  ]);
});

test('what a share of the same kind worked on is free: who has its record is alone with it', async () => {
  for (const tag of ['http/2', 'http/2@other', 'http/2@gone']) {
    const group = new Group({ 0: [7, tag] });
    const taken = group.take();
    await group.clock.advance(50);
    assert.ok(taken.offsets, tag);
  }
});

test('a partition that a member works on is waited for until it lets go', async () => {
  const group = new Group({ 0: [7, 'http/1@other'], 2: [3, ''] });
  const taken = group.take();
  await group.clock.advance(10_000);
  assert.equal(taken.offsets, undefined);
  group.committed.set(0, [9, '']);
  await group.clock.advance(1000);
  assert.deepEqual(taken.offsets, [
    [0, 9],
    [2, 3],
  ]);
});

test('a partition of a member that the group has lost is free at once', async () => {
  const group = new Group({ 0: [7, 'http/1@other'] });
  const taken = group.take();
  await group.clock.advance(6000);
  assert.equal(taken.offsets, undefined, 'its session goes on');
  group.members.delete('other');
  await group.clock.advance(300);
  assert.ok(taken.offsets);
});

test('a member that lives and does not let go is never taken over from: that is told', async () => {
  const group = new Group({ 0: [7, 'http/1@other'] });
  const taken = group.take();
  await group.clock.advance(60_000);
  assert.equal(taken.offsets, undefined);
  assert.match(taken.error, /other has not let go of partitions of t yet/);
});

test('a tag of a version that named no member is waited for, and not for ever', async () => {
  const group = new Group({ 0: [7, 'http/1'] });
  const taken = group.take();
  await group.clock.advance(14_000);
  assert.equal(taken.offsets, undefined);
  await group.clock.advance(2000);
  assert.ok(taken.offsets);
});

test('who has just taken over from a dead member is not taken for dead', async () => {
  const group = new Group({ 0: [7, 'http/1@gone'] });
  const { membership, ...deps } = group.deps();
  const members = async () => {
    const found = await membership.members();
    group.members.add('new');
    group.committed.set(0, [8, 'http/1@new']); // meanwhile
    return found;
  };
  const signal = new AbortController();
  const free = untilFree(SHARE, [0], { ...deps, membership: { ...membership, members } }, signal.signal);
  free.catch(() => {});
  await group.clock.advance(3000);
  assert.equal(await Promise.race([free, 'waits']), 'waits');
  signal.abort(new Error('given up'));
  await group.clock.advance(1000);
  await assert.rejects(free, /given up/);
});

const NEVER = new AbortController().signal;

test('partitions are let go of as soon as Kafka takes it', async () => {
  const group = new Group({ 0: [7, 'http/2@me'] });
  group.isAway = true;
  const left = letGo(SHARE, new Map([[0, { offset: 9 }]]), group.deps(), {
    isSure: () => true,
    leaving: NEVER,
  });
  await group.clock.advance(60_000);
  group.isAway = false;
  await Promise.all([left, group.clock.advance(1000)]);
  assert.deepEqual(group.committed.get(0), [9, '']);
});

test('what another one has taken over meanwhile is left alone', async () => {
  const group = new Group({ 0: [7, 'http/2@me'], 2: [3, 'http/2@me'] });
  group.isAway = true;
  const offsets = new Map([
    [0, { offset: 9 }],
    [2, { offset: 4 }],
  ]);
  const left = letGo(SHARE, offsets, group.deps(), { isSure: () => true, leaving: NEVER });
  await group.clock.advance(1000);
  group.committed.set(0, [20, 'http/1@other']);
  group.isAway = false;
  await Promise.all([left, group.clock.advance(1000)]);
  assert.deepEqual(
    [...group.committed],
    [
      [0, [20, 'http/1@other']],
      [2, [4, '']],
    ],
  );
});

test('nothing more is tried when the claim is over, the topic is gone, or the process leaves the group', async () => {
  const ends = async (end: (group: Group, leave: () => void) => void) => {
    const group = new Group({ 0: [7, 'http/2@me'] });
    group.isAway = true;
    const leaving = new AbortController();
    const options = { isSure: () => true, leaving: leaving.signal };
    const left = letGo(SHARE, new Map([[0, { offset: 9 }]]), group.deps(), options);
    await group.clock.advance(1000);
    end(group, () => leaving.abort());
    await Promise.all([left, group.clock.advance(1000)]);
    assert.equal(group.clock.timers, 0);
  };
  await ends(({ members }) => members.delete('me'));
  await ends((_, leave) => leave());
  const group = new Group();
  const { claim, ...deps } = group.deps();
  const commit = () => Promise.reject(new BusError('unknown-topic', 'deleted'));
  await letGo(
    SHARE,
    new Map([[0, { offset: 9 }]]),
    { ...deps, claim: { ...claim, commit } },
    { isSure: () => true, leaving: NEVER },
  );
});

const PARTITIONS = [0, 1, 2, 3];
/** From Kafka's last word to the end of a lease, and of a session. */
const [LEASE, SESSION] = [4000, 6000];

/** An executor that wants its part of a spread, of two executors or of one, and takes it over as often as that changes. */
class Part {
  readonly holds = new Set<number>();
  member = '';
  #isCutOff = false;
  #leaseEnd = Number.POSITIVE_INFINITY;
  #wanted = 0;
  #stopTime = 0;
  #wish = new AbortController();
  #settled = Promise.resolve();
  readonly #group: Group;
  readonly #number: number;
  static #members = 0;

  constructor(group: Group, number: number) {
    this.#group = group;
    this.#number = number;
    this.#join();
  }

  #join(): void {
    this.holds.clear(); // as another member it has nothing
    this.member = `m${++Part.#members}`;
    this.#group.members.add(this.member);
    this.#leaseEnd = Number.POSITIVE_INFINITY;
  }

  get hasLease(): boolean {
    return this.#group.clock.lease() < this.#leaseEnd;
  }

  /** It hears of it when it can; and takes so long to stop what it does. */
  want(shards: number, stopTime: number): void {
    this.#wanted = shards;
    this.#stopTime = stopTime;
    if (!this.#isCutOff) this.#hear();
  }

  #hear(): void {
    const shards = this.#wanted;
    this.#wish.abort(new Error('the wish changed'));
    this.#wish = new AbortController();
    const { signal } = this.#wish;
    this.#settled = this.#settled.then(() => this.#settle(shards, signal));
  }

  async #settle(shards: number, signal: AbortSignal): Promise<void> {
    const [{ clock }, { member }] = [this.#group, this];
    const isOut = () => this.#isCutOff || this.member !== member;
    const deps = this.#group.deps(member, isOut);
    const share = { topic: 't', shard: this.#number, shards, spread: `http/${shards}` };
    if (this.#number >= shards) return;
    const mine = PARTITIONS.filter((partition) => partition % shards === this.#number);
    const offsets = new Map(mine.map((partition) => [partition, { offset: 0 }]));
    while (!signal.aborted && !isOut()) {
      try {
        const free = await untilFree(share, mine, deps, signal);
        await deps.claim.commit(free.map((one) => ({ ...one, tag: tagOf(share, deps.claim) })));
        for (const partition of mine) this.holds.add(partition);
        break;
      } catch {
        await clock.sleep(200);
      }
    }
    while (!signal.aborted && this.member === member) await clock.sleep(200);
    if (this.hasLease) await clock.sleep(this.#stopTime);
    this.holds.clear();
    await letGo(share, offsets, deps, { isSure: () => false, leaving: NEVER });
  }

  /** Nothing reaches Kafka: the lease ends, then the session, and then it is another member. */
  async cutOff(ms: number): Promise<void> {
    if (this.#isCutOff) return;
    const { clock, members } = this.#group;
    const { member } = this;
    this.#isCutOff = true;
    this.#leaseEnd = clock.lease() + LEASE;
    if (ms >= SESSION) await clock.sleep(SESSION);
    if (ms >= SESSION) members.delete(member);
    await clock.sleep(ms >= SESSION ? ms - SESSION : ms);
    this.#isCutOff = false;
    if (ms < SESSION) this.#leaseEnd = Number.POSITIVE_INFINITY;
    else this.#join();
    this.#hear();
  }
}

test('however an integration is spread, and whoever is cut off, no two with a lease have a partition', async () => {
  const spread = fc.record({
    kind: fc.constant('spread' as const),
    shards: fc.constantFrom(1, 2, 3),
    stopTime: fc.constantFrom(0, 5000, 20_000),
  });
  const cut = fc.record({ kind: fc.constant('cut' as const), n: fc.nat(2), ms: fc.nat(15_000) });
  const steps = fc.array(fc.tuple(fc.oneof(spread, cut), fc.nat(5000)), { maxLength: 12, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const group = new Group();
      const parts = [0, 1, 2].map((number) => new Part(group, number));
      const check = () => {
        const held = parts.filter(({ hasLease }) => hasLease).flatMap(({ holds }) => [...holds]);
        assert.equal(held.length, new Set(held).size, `${held}`);
      };
      const want = (shards: number, stopTime: number) => {
        for (const part of parts) part.want(shards, stopTime);
      };
      want(2, 0);
      for (const [step, pause] of all) {
        if (step.kind === 'spread') want(step.shards, step.stopTime);
        else void parts[step.n]!.cutOff(step.ms);
        await group.clock.advance(pause, check);
      }
      await group.clock.advance(40_000, check);
      want(3, 0);
      await group.clock.advance(40_000, check);
      assert.deepEqual(parts.flatMap(({ holds }) => [...holds]).toSorted(), PARTITIONS, 'each has a reader');
    }),
    { numRuns: 30 },
  );
});
