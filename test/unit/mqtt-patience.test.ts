import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Patience } from '../../src/ingress/listener/patience.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

function world() {
  const clock = new ManualClock();
  const ends: string[] = [];
  const onEnd = (why: string) => ends.push(why);
  const patience = new Patience({ clock, connectTimeout: 10_000, packetTimeout: 60_000, onEnd });
  return { clock, ends, patience };
}

test('a client that was not read from has all its time once it is again', () => {
  const { clock, ends, patience } = world();
  patience.packetCame();
  patience.connected(10);
  patience.heldUp(true);
  clock.advance(100_000);
  patience.heldUp(false);
  clock.advance(14_999);
  assert.deepEqual(ends, []);
  clock.advance(1);
  assert.deepEqual(ends, ['keep-alive']);
});

test('so has a packet that had begun', () => {
  const { clock, ends, patience } = world();
  patience.packetCame();
  patience.connected(0);
  patience.packetBegan();
  clock.advance(10_000);
  patience.heldUp(true);
  clock.advance(49_000);
  patience.heldUp(false);
  clock.advance(59_999);
  assert.deepEqual(ends, []);
  clock.advance(1);
  assert.deepEqual(ends, ['packet-timeout']);
});
