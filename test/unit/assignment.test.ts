import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assign, type Member, type Topic } from '../../src/bus/kafka/assignment.ts';
import {
  decodeAssignment,
  decodeMembers,
  encodeAssignments,
  encodeSubscription,
} from '../../src/bus/kafka/group-protocol.ts';

const TOPICS: readonly Topic[] = [
  { name: 'http', partitions: 12 },
  { name: 'mqtt', partitions: 12 },
  { name: 'kafka', partitions: 5 },
];
const NAMES = TOPICS.map(({ name }) => name);
const topicOf = (partition: string) => partition.slice(0, partition.lastIndexOf('/'));

const topicSet = fc.subarray(NAMES, { minLength: 1 }).map((names) => new Set(names));

/** Who is there, round by round. */
const rounds = fc.array(fc.array(topicSet, { maxLength: 6 }), { minLength: 1, maxLength: 6 });

/** What the members have after a round: what is assigned, and what they were not asked to give back. */
function after(members: readonly Member[], assigned: ReadonlyMap<string, string[]>): Member[] {
  return members.map((member) => ({ ...member, claims: new Set(assigned.get(member.id)) }));
}

test('whoever comes and goes, a partition has one owner at a time, and in the end each an even share', () => {
  fc.assert(
    fc.property(rounds, (all) => {
      let members: Member[] = [];
      for (const sets of all) {
        members = sets.map((topics, i) => {
          const before = members[i];
          // As a member that was there before with the same topics, or as another one.
          const stays = before && [...topics].join() === [...before.topics].join();
          return { id: `m${i}`, topics, claims: stays ? before.claims : new Set<string>() };
        });
        for (let round = 0; round < 3; round++) {
          const assigned = assign(TOPICS, members);
          for (const [id, partitions] of assigned) {
            for (const partition of partitions) {
              const others = members.filter((one) => one.id !== id && one.claims.has(partition));
              assert.deepEqual(others, [], `${partition} goes to ${id} while another one has it`);
            }
          }
          members = after(members, assigned);
        }
        for (const { name, partitions } of TOPICS) {
          const owners = members.filter(({ topics }) => topics.has(name));
          const counts = owners.map(
            ({ claims }) => [...claims].filter((one) => topicOf(one) === name).length,
          );
          if (owners.length === 0) continue;
          assert.equal(
            counts.reduce((sum, count) => sum + count, 0),
            partitions,
            'each partition has an owner',
          );
          assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${name}: ${counts}`);
        }
      }
    }),
  );
});

test('who stays keeps what it has: no more moves than evenness asks for', () => {
  const topics = new Set(['http']);
  const all = (from: number, to: number) =>
    new Set(Array.from({ length: to - from }, (_, i) => `http/${from + i}`));
  const members = [
    { id: 'a', topics, claims: all(0, 6) },
    { id: 'b', topics, claims: all(6, 12) },
    { id: 'c', topics, claims: new Set<string>() },
  ];
  const assigned = assign(TOPICS, members);
  assert.deepEqual(
    [assigned.get('a'), assigned.get('b'), assigned.get('c')],
    [[...all(0, 4)], [...all(6, 10)], []],
  );
});

test('what is left over goes to whoever has least of the other topics', () => {
  const both = new Set(['http', 'kafka']);
  const members = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, topics: both, claims: new Set<string>() }));
  const counts = [...assign(TOPICS, members).values()].map(({ length }) => length);
  assert.deepEqual(counts, [4, 4, 3, 3, 3]);
});

test('claims count for the member that they were made as, and what cannot be read for nothing', () => {
  const subscription = { topics: ['http'], memberId: 'm-1', claims: ['http/3'] };
  const claimsOf = (memberId: string, memberMetadata: Buffer) => [
    ...(decodeMembers([{ memberId, memberMetadata }])[0]?.claims ?? []),
  ];
  assert.deepEqual(claimsOf('m-1', encodeSubscription(subscription)), ['http/3']);
  assert.deepEqual(claimsOf('m-2', encodeSubscription(subscription)), []);
  const foreign = encodeSubscription(subscription);
  foreign[foreign.length - 1] = 0;
  assert.deepEqual(claimsOf('m-1', foreign), []);
});

test('an assignment is read as it was written', () => {
  const members = [{ id: 'm', topics: new Set(NAMES), claims: new Set<string>() }];
  const [only] = encodeAssignments(TOPICS, members);
  assert.deepEqual(
    decodeAssignment(only!.memberAssignment),
    TOPICS.flatMap(({ name, partitions }) => Array.from({ length: partitions }, (_, n) => `${name}/${n}`)),
  );
});
