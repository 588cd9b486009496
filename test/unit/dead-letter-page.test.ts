import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  type DeadLetterFilter,
  DeadLetterFilterSchema,
} from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { ReadOptions } from '../../src/bus/bus.ts';
import { BusError } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import {
  type DeadLetterPage,
  deadLetterPage,
} from '../../src/control-plane/dead-letters/dead-letter-page.ts';
import type { DeadLetterPageStart } from '../../src/control-plane/page.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { deadLetter, envelope } from '../helpers/messages.ts';

const BATCH = 100;

/** A dead-letter topic of `end` records, each made when it is read; counts what is read. */
function topicOf(end: number, make: (offset: number) => Uint8Array, batch = BATCH) {
  const count = { reads: 0, records: 0, bytes: 0 };
  const bus = {
    partitions: async () => [0],
    offsets: async () => new Map([[0, { start: 0, end }]]),
    async read({ topic, ranges, eachBatch }: ReadOptions) {
      count.reads++;
      for (const [partition, range] of ranges) {
        for (let at = range.start; at < range.end; at += batch) {
          const records = Array.from({ length: Math.min(batch, range.end - at) }, (_, i) => {
            const value = make(at + i);
            count.records++;
            count.bytes += value.byteLength;
            return { topic, partition, offset: at + i, timestamp: 0, key: null, value };
          });
          await eachBatch(records);
        }
      }
    },
  };
  const deps = {
    bus,
    db: { query: async () => [] },
    topics: topicsOf('t'),
    logger: createLogger('error', systemClock, () => {}),
    metrics: createMetrics(),
  };
  const page = (filter?: DeadLetterFilter, from?: DeadLetterPageStart, size = 50) =>
    deadLetterPage(deps, 'i', { filter, size, from }, new AbortController().signal);
  return { count, page, bus };
}

const offsetsOf = ({ kept }: DeadLetterPage) => kept.map(({ offset }) => offset);
const rare = create(DeadLetterFilterSchema, { failureClasses: [FailureClass.TIMEOUT] });
/** Each ten-thousandth timed out. */
const mostlyRejected = (offset: number) =>
  deadLetter(offset, offset % 10_000 === 0 ? { failureClass: FailureClass.TIMEOUT } : {});

test('a page reads hardly more than it holds, however much is on the topic', async () => {
  const { count, page } = topicOf(1_000_000, (offset) => deadLetter(offset));
  const first = await page();
  assert.deepEqual(
    offsetsOf(first),
    Array.from({ length: 50 }, (_, i) => 999_999 - i),
  );
  assert.deepEqual([count.reads, count.records], [1, 51]);
  assert.equal(first.total, 1_000_000);
  const second = await page(undefined, first.next);
  assert.deepEqual([offsetsOf(second)[0], second.total], [999_949, 1_000_000]);
  assert.deepEqual([count.reads, count.records], [2, 102]);
});

test('a filter that hardly anything passes: each page looks at so much, and says where the next goes on', async () => {
  const { count, page } = topicOf(50_000, mostlyRejected);
  const found: number[] = [];
  const totals: number[] = [];
  for (let from: DeadLetterPageStart | undefined; ; ) {
    const before = { ...count };
    const next = await page(rare, from);
    assert.ok(count.records - before.records <= 1000, `${count.records - before.records} records`);
    assert.ok(count.reads - before.reads <= 4, `${count.reads - before.reads} reads`);
    found.push(...offsetsOf(next));
    totals.push(next.total);
    from = next.next;
    if (!from) break;
  }
  assert.deepEqual(found, [40_000, 30_000, 20_000, 10_000, 0]);
  assert.deepEqual([totals[0], totals.at(-1)], [0, 5]);
  assert.equal(count.records, 50_000, 'each is looked at once');
});

test('what a page may look at is counted whole, so that short topics tell how many pass', async () => {
  const { page } = topicOf(300, (offset) => deadLetter(offset, { failureClass: FailureClass.TIMEOUT }));
  const first = await page(rare, undefined, 7);
  assert.deepEqual([first.kept.length, first.total], [7, 300]);
  const second = await page(rare, first.next, 7);
  assert.deepEqual([offsetsOf(second)[0], second.total], [292, 300]);
});

test('ids: only what lies around them is read', async () => {
  const { count, page } = topicOf(1_000_000, (offset) => deadLetter(offset));
  const ids = create(DeadLetterFilterSchema, { ids: ['0-7', '0-500000', '0-999999'] });
  const found = await page(ids);
  assert.deepEqual([offsetsOf(found), found.total, found.next], [[999_999, 500_000, 7], 3, undefined]);
  assert.ok(count.records < 500, `${count.records} records`);
});

test('large records: no page reads beyond some megabytes, with a filter or not, and every page goes on', async () => {
  const payload = Buffer.alloc(1_000_000);
  const large = deadLetter(0, { envelope: envelope(0, { payload }) });
  for (const filter of [undefined, rare]) {
    const { count, page } = topicOf(40, () => large, 2);
    const found: number[] = [];
    for (let from: DeadLetterPageStart | undefined; ; ) {
      const before = count.bytes;
      const next = await page(filter, from);
      assert.ok(count.bytes - before < 10_000_000, `${count.bytes - before} bytes`);
      found.push(...offsetsOf(next));
      from = next.next;
      if (!from) break;
    }
    assert.deepEqual(found, filter ? [] : Array.from({ length: 40 }, (_, i) => 39 - i));
    assert.ok(count.reads < 100, `${count.reads} reads`);
  }
});

test('without a topic there are none; what else Kafka says is told', async () => {
  const { page, bus } = topicOf(10, (offset) => deadLetter(offset));
  bus.partitions = () => Promise.reject(new BusError('unknown-topic', 'there is no such topic'));
  const none = await page();
  assert.deepEqual([none.kept, none.total, none.next], [[], 0, undefined]);
  bus.partitions = () => Promise.reject(new BusError('timeout', 'Kafka is away'));
  await assert.rejects(page(), /Kafka is away/);
});
