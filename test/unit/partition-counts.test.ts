import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PartitionCounts } from '../../src/bus/kafka/partition-counts.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

/** Topics of one partition each, unless they have grown; and what was asked for. */
function world() {
  const clock = new FakeClock();
  const state = { clock, counts: new Map<string, number>(), asked: [] as number[], isAway: false };
  const watches = new PartitionCounts({
    ...testDeps(),
    clock,
    async metadata(topics) {
      state.asked.push(topics.length);
      if (state.isAway) throw new Error('Kafka is away');
      return topics.map((topic) => ({
        topic,
        topicErrorCode: topic === 'missing' ? 3 : 0,
        partitionMetadata: Array.from({ length: state.counts.get(topic) ?? 1 }, (_, partitionId) => ({
          partitionId,
          partitionErrorCode: 0,
          leader: 1,
          replicas: [1],
        })),
      }));
    },
  });
  return Object.assign(state, { watches });
}

test('thousands of topics are asked for in a few requests, evenly spread', async () => {
  const { clock, asked, watches } = world();
  for (let i = 0; i < 10_000; i++) watches.watch(`t${i}`, 1, () => assert.fail('none has grown'));
  await clock.advance(10_000);
  asked.length = 0;
  await clock.advance(50_000);
  assert.deepEqual([...new Set(asked)], [200]);
  assert.ok(asked.length <= 250, `${asked.length} requests in five rounds`);
});

test('each that watches a topic is told once for each time it grows, also after Kafka was away', async () => {
  const kafka = world();
  const { clock, counts, watches } = kafka;
  const told: string[] = [];
  const first = watches.watch('a', 1, (count) => told.push(`first ${count}`));
  watches.watch('a', 2, (count) => told.push(`second ${count}`));
  watches.watch('missing', 1, (count) => told.push(`missing ${count}`));
  await clock.advance(30_000);
  assert.deepEqual(told, []);
  counts.set('a', 2);
  kafka.isAway = true;
  await clock.advance(30_000);
  assert.deepEqual(told, []);
  kafka.isAway = false;
  await clock.advance(10_000);
  assert.deepEqual(told, ['first 2']);
  counts.set('a', 4);
  first[Symbol.dispose]();
  await clock.advance(30_000);
  assert.deepEqual(told, ['first 2', 'second 4']);
});

test('nothing is asked while nobody watches, or any more when it is closed', async () => {
  const { clock, asked, watches } = world();
  watches.watch('a', 1, () => {})[Symbol.dispose]();
  await clock.advance(30_000);
  assert.deepEqual([asked.length, clock.timers], [0, 0]);
  watches.watch('b', 1, () => {});
  await clock.advance(15_000);
  assert.equal(asked.length, 1);
  watches[Symbol.dispose]();
  await clock.advance(30_000);
  assert.deepEqual([asked.length, clock.timers], [1, 0]);
});
