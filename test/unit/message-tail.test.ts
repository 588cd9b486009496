import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import {
  MessageFilterSchema,
  type MessageOutcome,
  MessageStage,
} from '../../gen/penstock/v1/message_log_service_pb.ts';
import { MessageTail } from '../../src/control-plane/messages/message-tail.ts';
import { isSettled, outcomeAt } from '../../src/control-plane/messages/outcomes.ts';
import { Bell } from '../../src/control-plane/watches/bell.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { envelope } from '../helpers/messages.ts';

const { WAITING, SETTLED } = MessageStage;

function tailOf(
  wish: { stages?: MessageStage[]; maxRate?: number; payloadBytes?: number } = {},
  memory = new ByteLimit(1 << 30),
) {
  const { stages = [], maxRate = 1e6, payloadBytes = 4096 } = wish;
  const clock = new ManualClock();
  const filter = create(MessageFilterSchema, { stages });
  const tail = new MessageTail({ filter, maxRate, payloadBytes }, new Bell(), clock, createMetrics(), memory);
  let offset = 0;
  const offer = (count: number, payload = Buffer.from('x')) => {
    const value = envelope(1, { payload });
    for (let i = 0; i < count; i++) {
      const record = { topic: 't', partition: 0, offset: offset++, timestamp: 1, key: null, value };
      tail.offer(record, () => fromBinary(EnvelopeSchema, value));
    }
  };
  /** All that is to be told now. */
  const told = () => {
    const all = { messages: [] as string[], outcomes: [] as MessageOutcome[], leftOut: 0 };
    for (let next = tail.next(); next; next = tail.next()) {
      all.messages.push(...next.messages.map(({ id }) => id));
      all.outcomes.push(...next.outcomes);
      all.leftOut += Number(next.leftOut);
    }
    return all;
  };
  const settle = () => tail.settle({ outcomeOf: (id) => outcomeAt(id, SETTLED) });
  return { tail, clock, offer, told, settle };
}

test('what is not read in time is bounded by its bytes, and counted beyond', () => {
  const { offer, told } = tailOf();
  offer(3000, Buffer.alloc(4096));
  const { messages, leftOut } = told();
  assert.equal(messages.length + leftOut, 3000);
  assert.ok(messages.length > 500 && messages.length < 1100, `${messages.length} are kept`);
  offer(5);
  assert.deepEqual([told().messages.length, told().leftOut], [5, 0]);
});

test('what all tails of a node hold is bounded together, and free again when they are told or end', () => {
  const memory = new ByteLimit(1 << 20);
  const [unread, held] = [tailOf({}, memory), tailOf({ stages: [SETTLED] }, memory)];
  unread.offer(400, Buffer.alloc(4096));
  held.offer(10, Buffer.alloc(4096));
  assert.equal(memory.isFull, true);
  assert.equal(held.told().leftOut, 9, 'it keeps one');
  assert.ok(unread.told().leftOut > 100);
  assert.equal(memory.isFull, false);
  held.offer(10, Buffer.alloc(4096));
  assert.equal(held.told().leftOut, 0);
  unread.offer(400, Buffer.alloc(4096));
  assert.equal(memory.isFull, true);
  unread.tail[Symbol.dispose]();
  assert.equal(memory.isFull, false);
});

test('a rate is kept on average, with a second of it at once', () => {
  const { clock, offer, told } = tailOf({ maxRate: 10 });
  offer(25);
  assert.deepEqual([told()].map(({ messages, leftOut }) => [messages.length, leftOut])[0], [10, 15]);
  clock.advance(500);
  offer(25);
  assert.deepEqual([told()].map(({ messages, leftOut }) => [messages.length, leftOut])[0], [5, 20]);
});

test('what waits for its stage is bounded: the oldest is left out, and the rest is told when it comes to it', () => {
  const many = tailOf({ stages: [SETTLED] });
  many.offer(5003);
  assert.deepEqual(many.told(), { messages: [], outcomes: [], leftOut: 3 });
  many.settle();
  const { messages, leftOut } = many.told();
  assert.deepEqual([messages.length, messages[0], leftOut], [5000, '0-3', 0]);
  const large = tailOf({ stages: [SETTLED], payloadBytes: 65_536 });
  large.offer(100, Buffer.alloc(65_536));
  const before = large.told().leftOut;
  large.settle();
  const after = large.told();
  assert.ok(before > 30 && after.messages.length > 50, `${before} left out`);
  assert.equal(before + after.messages.length + after.leftOut, 100);
});

test('an outcome is told once, of what was told', () => {
  const { offer, told, settle, tail } = tailOf({ maxRate: 2 });
  offer(3);
  assert.deepEqual(told().messages, ['0-0', '0-1']);
  assert.equal(tail.isAwaiting, true);
  settle();
  assert.deepEqual(
    told().outcomes.map(({ id, stage }) => [id, stage]),
    [
      ['0-0', SETTLED],
      ['0-1', SETTLED],
    ],
  );
  settle();
  assert.deepEqual([told().outcomes, tail.isAwaiting], [[], false]);
  const other = tailOf({ stages: [WAITING] });
  other.offer(1);
  assert.equal(other.told().messages.length, 1);
});

test('a message is settled before the committed offset, or in what is settled ahead, unless it is younger', () => {
  const position = { offset: 5, ahead: { ranges: [{ start: 7, end: 9 }], latest: 100 } };
  const at = (offset: number, time = 50) => isSettled(position, offset, time);
  assert.deepEqual([at(4), at(5), at(6), at(7), at(8), at(9)], [true, false, false, true, true, false]);
  assert.deepEqual([at(7, 101), at(4, 101), isSettled(undefined, 0, 0)], [false, true, false]);
});
