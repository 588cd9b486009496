import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import type { FeedOptions } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { Stragglers } from '../../src/control-plane/outbox/stragglers.ts';
import type { Database } from '../../src/control-plane/store/database.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';
const topics = topicsOf('p');
const TOPIC = topics.downlink('http').name;

/** Stragglers of a store that has published the second generation; `whileAsked` happens while PostgreSQL is asked. */
async function follow(
  whileAsked: (publish: (generation: bigint) => void) => void,
  keys: readonly string[] | null = ['new'],
) {
  const clock = new ManualClock();
  const feeds: FeedOptions[] = [];
  let published = 0;
  const publish = (generation: bigint, keyId = 'new') => {
    const value = toBinary(
      DownlinkRecordSchema,
      create(DownlinkRecordSchema, {
        integration: { generation },
        sealed: [
          { path: 'a', keyId },
          { path: 'b', keyId },
        ],
      }),
    );
    const [feed] = feeds.filter(({ topic }) => topic === TOPIC);
    feed!.take({ topic: TOPIC, partition: feed!.partition, offset: 0, timestamp: 0, key: ID, value });
  };
  const db = {
    async query(sql: string) {
      if (sql.includes('deleted_integrations') || sql.includes('published_generation >=')) return [];
      whileAsked(publish);
      return [{ id: ID, generation: '2', update_time: new Date(0), keys, pending: false }];
    },
    async transaction() {
      published++;
    },
  };
  const stragglers = new Stragglers({
    ...testDeps(),
    clock,
    db: db as unknown as Database,
    topics,
    bus: {
      listTopics: async () => [],
      feed(options) {
        feeds.push(options);
        return { resume() {}, backlog: async () => 0, [Symbol.dispose]() {} };
      },
    },
  });
  const look = async () => {
    clock.advance(500);
    await stragglers.publishAgain();
    return published;
  };
  await look(); // it follows from now on
  for (const { onPosition } of feeds) onPosition?.(0, 0);
  await new Promise((resolve) => setImmediate(resolve));
  return { publish, look, stragglers };
}

test('an old record that comes last is seen at two looks before it is published again', async () => {
  const { publish, look, stragglers } = await follow(() => {});
  publish(1n);
  assert.deepEqual([await look(), await look(), await look()], [0, 1, 1]);
  publish(1n);
  await look();
  publish(2n);
  assert.deepEqual([await look(), await look()], [1, 1], 'the true one came after it');
  stragglers[Symbol.dispose]();
});

test('an old record that comes while the one before it is judged is judged too', async () => {
  let isFirst = true;
  const { publish, look, stragglers } = await follow((again) => {
    if (isFirst) again(1n);
    isFirst = false;
  });
  publish(2n);
  assert.deepEqual([await look(), await look(), await look()], [0, 0, 1]);
  stragglers[Symbol.dispose]();
});

test('of the same generation, a record whose secrets have another key than in the store is an old one', async () => {
  const { publish, look, stragglers } = await follow(() => {});
  publish(2n, 'old');
  assert.deepEqual([await look(), await look(), await look()], [0, 1, 1]);
  publish(2n, 'new');
  assert.deepEqual([await look(), await look()], [1, 1]);
  publish(3n, 'old');
  assert.deepEqual([await look(), await look()], [1, 2], 'PostgreSQL was set back: it has the second alone');
  stragglers[Symbol.dispose]();
  const unknown = await follow(() => {}, null);
  unknown.publish(2n, 'old');
  assert.deepEqual([await unknown.look(), await unknown.look()], [0, 0], 'stored before secrets were sealed');
  unknown.stragglers[Symbol.dispose]();
});
