import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { UnreadAnswers } from '../../src/rpc/unread-answers.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

/** A stream of HTTP/2 on a connection that takes what it is told to take. */
class FakeStream extends EventEmitter {
  destroyed = false;
  code: number | undefined;
  readonly session = { socket: { bytesWritten: 0 } };
  close(code: number): void {
    this.code = code;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function world(maxBytes = 1000) {
  const clock = new FakeClock();
  const cuts: string[] = [];
  const unread = new UnreadAnswers({ clock, stallTimeout: 30_000, maxBytes, onCut: (why) => cuts.push(why) });
  const open = () => new FakeStream();
  const sent = (stream: FakeStream, bytes: number, end?: () => void) =>
    unread.sent(stream as unknown as ServerHttp2Stream, bytes, end);
  const took = (stream: FakeStream, bytes: number) =>
    unread.took(stream as unknown as ServerHttp2Stream, bytes);
  return { clock, cuts, open, sent, took };
}

test('an answer of which nothing is taken in its time is cut, and what was taken is forgotten', async () => {
  const { clock, cuts, open, sent } = world();
  const [taken, stuck] = [open(), open()];
  sent(taken, 10);
  await clock.advance(10_000);
  sent(stuck, 10);
  taken.emit('close');
  await clock.advance(29_999);
  assert.deepEqual(cuts, []);
  await clock.advance(1);
  assert.deepEqual([cuts, stuck.code], [['stalled'], constants.NGHTTP2_ENHANCE_YOUR_CALM]);
  assert.equal(taken.destroyed, false);
  assert.deepEqual([clock.timers, stuck.listenerCount('close'), taken.listenerCount('close')], [0, 0, 0]);
});

test('a large answer on a connection that takes something has more time, but not for ever', async () => {
  const { clock, cuts, open, sent } = world();
  const slow = open();
  sent(slow, 900);
  for (let period = 1; period <= 10; period++) {
    slow.session.socket.bytesWritten += 16_384;
    await clock.advance(30_000);
    assert.deepEqual(cuts, [], `period ${period}`);
  }
  slow.session.socket.bytesWritten += 16_384;
  await clock.advance(30_000);
  assert.deepEqual(cuts, ['stalled']);
});

test('an answer of which some was taken has all that time anew', async () => {
  const { clock, cuts, open, sent, took } = world();
  const slow = open();
  sent(slow, 900);
  for (let period = 1; period <= 20; period++) {
    slow.session.socket.bytesWritten += 16_384;
    await clock.advance(30_000);
    if (period === 10) took(slow, 100);
  }
  assert.deepEqual(cuts, []);
  await clock.advance(30_000);
  assert.deepEqual(cuts, ['stalled']);
});

test('what keeps a connection alive is no reading', async () => {
  const { clock, cuts, open, sent } = world();
  const stuck = open();
  sent(stuck, 900);
  stuck.session.socket.bytesWritten += 16_383;
  await clock.advance(30_000);
  assert.deepEqual(cuts, ['stalled']);
});

test('an answer that goes on is ended once nothing of it was taken in its time, and cut as long after that', async () => {
  const { clock, cuts, open, sent, took } = world();
  const stream = open();
  let ends = 0;
  const send = () => sent(stream, 10, () => ends++);
  for (let i = 0; i < 5; i++) {
    send();
    await clock.advance(20_000);
    took(stream, 10);
  }
  await clock.advance(100_000);
  assert.equal(ends, 0);
  // That more is sent does not make it read.
  for (let i = 0; i < 3; i++) {
    send();
    await clock.advance(10_000);
  }
  assert.deepEqual([ends, cuts], [1, []]);
  await clock.advance(30_000);
  assert.deepEqual([ends, cuts], [1, ['stalled']]);
});

test('beyond what all may leave unread, those go that wait longest', async () => {
  const { clock, cuts, open, sent, took } = world(1000);
  const streams = Array.from({ length: 4 }, open);
  for (const stream of streams) {
    sent(stream, 250);
    await clock.advance(10);
  }
  const [first, second, third, fourth] = streams;
  took(first!, 100);
  let ended = false;
  const last = open();
  sent(last, 350, () => (ended = true));
  assert.deepEqual(
    [first, second, third, fourth, last].map((stream) => stream!.destroyed),
    [false, true, false, false, false],
  );
  sent(open(), 900);
  assert.deepEqual(
    [first, third, fourth, last].map((stream) => stream!.destroyed),
    [true, true, true, true],
  );
  assert.deepEqual([ended, cuts], [true, Array(5).fill('memory')]);
});

test('a single answer may be larger than that', async () => {
  const { cuts, open, sent } = world(1000);
  sent(open(), 2000);
  assert.deepEqual(cuts, []);
});
