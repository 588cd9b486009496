import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Bus, Claim } from '../../src/bus/bus.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { busForTests } from '../helpers/bus.ts';
import { onEnd } from '../helpers/on-end.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** A member that holds what it loses until it is let go. */
function member(t: TestContext, bus: Bus, groupId: string, topics: readonly string[]) {
  const claims = new Map<string, Claim>();
  const state = { claims, gained: 0, leaving: [] as Claim[], release: Promise.resolve() };
  const nameOf = ({ topic, partition }: Claim) => `${topic}/${partition}`;
  const membership = bus.join({
    groupId,
    topics,
    onGained(claim) {
      claims.set(nameOf(claim), claim);
      state.gained++;
    },
    async onLost(claim) {
      state.leaving.push(claim);
      await state.release;
      if (claims.get(nameOf(claim)) === claim) claims.delete(nameOf(claim));
    },
  });
  onEnd(t, () => membership[Symbol.asyncDispose]());
  return Object.assign(state, { membership, names: () => [...claims.keys()] });
}

async function groupForTests(t: TestContext, types = ['http'], clock: Clock = systemClock) {
  const { bus, topics } = await busForTests(t, { clock });
  const downlinks = types.map((type) => topics.downlink(type));
  const messages = topics.messages('a');
  await bus.createTopics([...downlinks, messages]);
  const names = downlinks.map(({ name }) => name);
  const group = topics.group('executor');
  const join = (wanted = names) => member(t, bus, group, wanted);
  return { bus, group, names, join, message: { topic: messages.name, partition: 0 } };
}

const held = (claims: ReadonlyMap<string, Claim>) => [...claims.values()].filter((claim) => claim.isHeld());

test('partitions are split evenly, and who stays keeps what it has without a pause', async (t) => {
  const { join } = await groupForTests(t);
  const first = join();
  await first.membership.joined;
  assert.equal(held(first.claims).length, 12);
  const kept = new Map(first.claims);
  const second = join();
  await waitUntil('half moved', () => second.claims.size === 6 && first.claims.size === 6);
  for (const [name, claim] of first.claims)
    assert.equal(claim, kept.get(name), 'a kept claim is the same one');
  assert.equal(held(first.claims).length + held(second.claims).length, 12);
  assert.equal(new Set([...first.names(), ...second.names()]).size, 12);
  const before = first.gained;
  await second.membership[Symbol.asyncDispose]();
  await waitUntil('all came back', () => held(first.claims).length === 12);
  assert.equal(first.gained - before, 6);
});

test('what moves is gained only when its owner has let go of it; until then the owner still commits', async (t) => {
  const { join, message } = await groupForTests(t);
  const first = join();
  await first.membership.joined;
  const release = Promise.withResolvers<void>();
  first.release = release.promise;
  const second = join();
  await second.membership.joined;
  await waitUntil('six are to be given back', () => first.leaving.length === 6);
  assert.equal(second.claims.size, 0);
  const moving = first.leaving[0]!;
  assert.ok(moving.isHeld(), 'nobody else has it yet');
  await moving.commit([{ ...message, offset: 3, tag: 'moving' }]);
  assert.deepEqual(await second.membership.committed([message]), [{ ...message, offset: 3, tag: 'moving' }]);
  release.resolve();
  await waitUntil('they have moved', () => second.claims.size === 6);
  assert.ok(!moving.isHeld());
  await assert.rejects(moving.commit([{ ...message, offset: 4, tag: '' }]), { name: 'BusError' });
});

test('a member that leaves waits for what it is still giving back', async (t) => {
  const { join } = await groupForTests(t);
  const first = join();
  await first.membership.joined;
  const release = Promise.withResolvers<void>();
  first.release = release.promise;
  const second = join();
  await waitUntil('six are to be given back', () => first.leaving.length === 6);
  const left = first.membership[Symbol.asyncDispose]();
  await waitUntil('all are to be given back', () => first.leaving.length === 12);
  await setTimeout(1500);
  assert.equal(second.claims.size, 0);
  release.resolve();
  await left;
  await waitUntil('all have moved', () => second.claims.size === 12);
});

test('members for different topics share a group', async (t) => {
  const { join, names } = await groupForTests(t, ['http', 'kafka']);
  const both = join();
  await both.membership.joined;
  assert.equal(both.claims.size, 24);
  const one = join([names[1]!]);
  await waitUntil('it has half of its topic', () => one.claims.size === 6);
  assert.ok(one.names().every((name) => name.startsWith(names[1]!)));
  await both.membership[Symbol.asyncDispose]();
  await waitUntil('it has its topic', () => one.claims.size === 12);
  assert.ok(one.names().every((name) => name.startsWith(names[1]!)));
});

test('what is settled ahead is committed beside the offset, as much as Kafka takes', async (t) => {
  const { bus, group, join, message } = await groupForTests(t);
  const { membership, claims } = join();
  await membership.joined;
  const [claim] = claims.values();
  const ahead = (count: number) => ({
    ranges: Array.from({ length: count }, (_, i) => ({ start: 90 * i + 5, end: 90 * i + 6 + (i % 80) })),
    latest: 1_800_000_000_000,
  });
  for (const count of [1, 1024]) {
    const offset = { ...message, offset: 4, ahead: ahead(count), tag: `http/1@${'m'.repeat(200)}` };
    await claim!.commit([offset]);
    assert.deepEqual(await membership.committed([message]), [offset]);
    assert.deepEqual(
      await bus.committed(group, message.topic),
      new Map([[0, { offset: 4, ahead: ahead(count) }]]),
    );
  }
  await claim!.commit([{ ...message, offset: 4, ahead: ahead(10_000), tag: 'x' }]);
  const [found] = await membership.committed([message]);
  assert.ok(found!.ahead!.ranges.length > 1024);
  await claim!.commit([{ ...message, offset: 5, tag: '' }]);
  assert.deepEqual(await membership.committed([message]), [{ ...message, offset: 5, tag: '' }]);
});

test('a commit of a partition of no topic is refused alone', async (t) => {
  const { join, message } = await groupForTests(t);
  const { membership, claims } = join();
  await membership.joined;
  const [claim] = claims.values();
  const good = claim!.commit([{ ...message, offset: 1, tag: 'x' }]);
  const bad = claim!.commit([{ topic: 'no-such-topic', partition: 0, offset: 1, tag: 'x' }]);
  await assert.rejects(bad, /no-such-topic/);
  await good;
  assert.deepEqual(await membership.committed([message]), [{ ...message, offset: 1, tag: 'x' }]);
});

test('a machine that was suspended has no lease when it wakes, until Kafka has heard of it', async (t) => {
  let suspended = 0;
  const clock = { ...systemClock, lease: () => systemClock.lease() + suspended };
  const { join } = await groupForTests(t, ['http'], clock);
  const { membership, claims } = join();
  await membership.joined;
  assert.equal(held(claims).length, 12);
  suspended = 5000;
  assert.equal(held(claims).length, 0);
  await waitUntil('the next heartbeat is answered', () => held(claims).length === 12);
});

test('a group tells who is in it: who left or went silent is not, who is being waited for is', async (t) => {
  const { join } = await groupForTests(t);
  const [first, second] = [join(), join()];
  await waitUntil('both have some', () => first.claims.size === 6 && second.claims.size === 6);
  const memberOf = ({ claims }: typeof first) => [...claims.values()][0]!.member;
  const [one, two] = [memberOf(first), memberOf(second)];
  assert.deepEqual(await first.membership.members(), new Set([one, two]));
  const release = Promise.withResolvers<void>();
  second.release = release.promise;
  const left = second.membership[Symbol.asyncDispose]();
  await waitUntil('all are to be given back', () => second.leaving.length === 6);
  assert.deepEqual(await first.membership.members(), new Set([one, two]));
  release.resolve();
  await left;
  assert.deepEqual(await first.membership.members(), new Set([one]));
  const third = join();
  await waitUntil('the third has some', () => third.claims.size === 6);
  assert.deepEqual(await first.membership.members(), new Set([one, memberOf(third)]));
});
