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
  ids: readonly string[] = [ID],
) {
  const clock = new ManualClock();
  const feeds: FeedOptions[] = [];
  let published = 0;
  const publish = (generation: bigint, keyId = 'new', id = ID) => {
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
    feed!.take({ topic: TOPIC, partition: feed!.partition, offset: 0, timestamp: 0, key: id, value });
  };
  const db = {
    async query(sql: string) {
      if (sql.includes('deleted_integrations') || sql.includes('published_generation >=')) return [];
      whileAsked(publish);
      return ids.map((id) => ({ id, generation: '2', update_time: new Date(0), keys, pending: false }));
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
  assert.deepEqual([await look(), await look()], [1, 2], 'a later one is not left alone');
  stragglers[Symbol.dispose]();
  const unknown = await follow(() => {}, null);
  unknown.publish(2n, 'old');
  assert.deepEqual([await unknown.look(), await unknown.look()], [0, 0], 'stored before secrets were sealed');
  unknown.stragglers[Symbol.dispose]();
});

test('of very many that PostgreSQL does not know, a part is put right in each look', async () => {
  const ids = Array.from({ length: 450 }, (_, i) => `${ID.slice(0, -4)}${String(i).padStart(4, '0')}`);
  const { publish, look, stragglers } = await follow(() => {}, ['new'], ids);
  for (const id of ids) publish(1n, 'new', id);
  const counts = [await look(), await look(), await look(), await look(), await look()];
  assert.deepEqual(counts, [0, 200, 400, 450, 450]);
  stragglers[Symbol.dispose]();
});
