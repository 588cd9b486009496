import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairShares, MAX_IN_FLIGHT } from '../../src/ingress/listener/fair-shares.ts';
import { Turns } from '../../src/ingress/listener/turns.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

interface Line {
  /** Messages that it takes in a millisecond. */
  readonly rate: number;
  /** How much later it answers, in milliseconds, or how much it is then. */
  readonly delay: number | ((time: number) => number);
  readonly ms: number;
  /** Every so many ms the event loop stands still for 25 ms. */
  readonly stallEvery?: number;
}

/** Kafka as one line. */
function run(connections: number, { rate, delay, ms, stallEvery = Infinity }: Line) {
  const delayAt = typeof delay === 'number' ? () => delay : delay;
  const clock = new ManualClock();
  const shares = new FairShares(clock);
  const line: { readonly of: number; readonly sent: number }[] = [];
  const answers: { readonly of: number; readonly sent: number; readonly due: number }[] = [];
  const inFlight = Array<number>(connections).fill(0);
  const took: number[] = [];
  const arrived: number[] = [];
  const flood = () => {
    for (let of = 0; of < connections; of++) {
      for (; inFlight[of]! < shares.messages; inFlight[of]!++) {
        if (inFlight[of] === 0) shares.joined();
        shares.added();
        line.push({ of, sent: shares.sent() });
      }
    }
  };
  for (let time = 0; time < ms; time++) {
    flood();
    const stands = time > 0 && time % stallEvery === 0 ? 25 : 1;
    time += stands - 1;
    clock.advance(stands);
    for (const one of line.splice(0, rate * stands)) {
      answers.push({ ...one, due: clock.monotonic() + delayAt(time) });
    }
    while (answers[0] && answers[0].due <= clock.monotonic()) {
      const { of, sent } = answers.shift()!;
      shares.arrived(sent);
      shares.settled();
      took.push(clock.monotonic() - sent);
      arrived.push(time);
      if (--inFlight[of]! === 0) shares.left();
    }
  }
  return { took, arrived, rate: took.length / ms };
}

test('many that flood share what one may have, and more only as far as it arrives at once', () => {
  const shares = new FairShares(new ManualClock());
  assert.deepEqual([shares.messages, shares.bytes], [MAX_IN_FLIGHT, 4_194_304]);
  for (let i = 0; i < 16; i++) shares.joined();
  assert.deepEqual([shares.messages, shares.bytes], [64, 262_144]);
  for (let i = 0; i < 1000; i++) shares.joined();
  assert.deepEqual([shares.messages, shares.bytes], [4, 65_536]);
});

for (const rate of [5, 40]) {
  test(`behind a flood no message waits for long, where Kafka takes ${rate} in a millisecond`, () => {
    const { took, rate: seen } = run(20, { rate, delay: 3, ms: 15_000 });
    const late = took.slice(took.length / 5).toSorted((a, b) => a - b);
    assert.ok(late[Math.floor(late.length * 0.95)]! <= 45, `${late[Math.floor(late.length * 0.95)]}`);
    assert.ok(seen > rate * 0.95, `${seen}`);
  });
}

test('where only the answers take their time, as much is on its way as it takes', () => {
  const { rate } = run(20, { rate: 40, delay: 50, ms: 15_000 });
  assert.ok(rate > 40 * 0.8, `${rate}`);
});

test('where the answers take longer from some time on, as much is on its way as it takes after a while', () => {
  const { arrived } = run(20, { rate: 5, delay: (time) => (time < 2000 ? 3 : 50), ms: 40_000 });
  const seen = arrived.filter((time) => time >= 30_000).length / 10_000;
  assert.ok(seen > 5 * 0.8, `${seen}`);
});

test('where our own event loop stands still now and then, no less is on its way for it', () => {
  const steady = run(20, { rate: 100, delay: 30, ms: 5000 });
  const stalling = run(20, { rate: 100, delay: 30, ms: 5000, stallEvery: 300 });
  assert.ok(stalling.rate > steady.rate * 0.8, `${stalling.rate} of ${steady.rate}`);
});

test('those who wait take turns: sixteen in a turn of the event loop, and who asks again is behind the others', async () => {
  const turns = new Turns();
  const called: number[] = [];
  const again = (id: number) => {
    const callback = () => {
      called.push(id);
      if (called.length < 60) turns.wait(callback);
    };
    return callback;
  };
  const callbacks = Array.from({ length: 20 }, (_, id) => again(id));
  for (const callback of callbacks) turns.wait(callback);
  for (const callback of callbacks) turns.wait(callback);
  turns.cancel(callbacks[19]!);
  assert.deepEqual(called, []);
  await turn();
  assert.deepEqual(
    called,
    Array.from({ length: 16 }, (_, id) => id),
  );
  await turn();
  assert.deepEqual(called.slice(16), [16, 17, 18, ...Array.from({ length: 13 }, (_, id) => id)]);
});
