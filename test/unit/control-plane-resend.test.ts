import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as settled } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { DeadLetterSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { BusError, type IncomingRecord, type OutgoingRecord } from '../../src/bus/bus.ts';
import { NewestDeadLetters } from '../../src/control-plane/dead-letters/newest-dead-letters.ts';
import { chunksOf, Pace, sendInOrder } from '../../src/control-plane/resend.ts';
import { runsOf } from '../../src/control-plane/store/redriven.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const record = (offset: number, bytes = 1, partition = 0): IncomingRecord => ({
  topic: 't',
  partition,
  offset,
  timestamp: 0,
  key: null,
  value: Buffer.alloc(bytes),
});
const never = new AbortController().signal;

test('chunks keep the order, to a tenth of the rate, and to what a batch holds', () => {
  const sizes = (count: number, rate: number, bytes = 1) => {
    const all = Array.from({ length: count }, (_, i) => ({ record: record(i, bytes) }));
    const chunks = [...chunksOf(all, rate)];
    assert.deepEqual(chunks.flat(), all);
    return chunks.map(({ length }) => length);
  };
  assert.deepEqual(sizes(25, 100), [10, 10, 5]);
  assert.deepEqual(sizes(3, 1), [1, 1, 1]);
  assert.deepEqual(sizes(2500, 1_000_000), [1000, 1000, 500]);
  assert.deepEqual(sizes(5, 1_000_000, 200_000), [2, 2, 1]);
  assert.deepEqual(sizes(2, 1_000_000, 900_000), [1, 1]);
  assert.deepEqual(sizes(0, 100), []);
});

test('in no second more pass than the rate, however late the timers are', async () => {
  const clock = new ManualClock();
  const pace = new Pace(100, clock);
  const passed: number[] = [];
  void (async () => {
    for (;;) {
      await pace.wait(10, never);
      passed.push(clock.monotonic());
    }
  })();
  for (let i = 0; i < 60; i++) {
    await settled();
    clock.advance(i % 7 === 0 ? 180 : 35);
  }
  assert.ok(passed.length > 20);
  for (const start of passed) {
    const within = passed.filter((time) => time >= start && time < start + 1000).length;
    assert.ok(within * 10 <= 100, `${within * 10} in the second from ${start}`);
  }
});

test('a wait ends with its signal', async () => {
  const pace = new Pace(1, new ManualClock());
  const stop = new AbortController();
  await pace.wait(1, stop.signal);
  const waiting = pace.wait(1, stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(pace.wait(1, stop.signal), /enough/);
});

test('what Kafka has is counted up to the first that it has not', async () => {
  const failure = new BusError('timeout', 'away');
  const bus = (fails: readonly string[]) => ({
    send: async (_topic: string, { key }: OutgoingRecord) => {
      if (fails.includes(key!)) throw failure;
    },
  });
  const records = ['a', 'b', 'c'].map((key) => ({ key, value: null }));
  assert.deepEqual(await sendInOrder(bus([]), 't', records), { sent: 3 });
  assert.deepEqual(await sendInOrder(bus(['b']), 't', records), { sent: 1, failure });
  assert.deepEqual(await sendInOrder(bus(['a', 'c']), 't', records), { sent: 0, failure });
});

test('offsets are kept as runs', () => {
  assert.deepEqual(runsOf([]), []);
  assert.deepEqual(runsOf([5, 6, 7, 9, 11, 12]), [
    { start: 5, end: 8 },
    { start: 9, end: 10 },
    { start: 11, end: 13 },
  ]);
});

test('the newest are kept, of several partitions too, within a size and a number of bytes', () => {
  const offer = (page: NewestDeadLetters, ...records: readonly IncomingRecord[]) => {
    for (const one of records) {
      page.offer({ record: one, deadLetter: create(DeadLetterSchema), redrivenTime: undefined });
    }
    return page.kept.map(({ partition, offset }) => `${partition}-${offset}`);
  };
  const mixed = [record(0), record(1), record(2), record(0, 1, 1), record(1, 1, 1), record(3)];
  const page = new NewestDeadLetters(4, undefined);
  assert.deepEqual(offer(page, ...mixed), ['0-3', '0-2', '1-1', '0-1']);
  assert.equal(page.isMore, true);
  const rest = new NewestDeadLetters(4, { partition: 0, offset: 1 });
  assert.deepEqual(offer(rest, ...mixed), ['1-0', '0-0']);
  assert.equal(rest.isMore, false);
  const large = new NewestDeadLetters(4, undefined);
  assert.deepEqual(offer(large, record(0), record(1, 900_000), record(2, 900_000)), ['0-2']);
  assert.deepEqual(offer(large, record(3, 5_000_000)), ['0-3']);
});
