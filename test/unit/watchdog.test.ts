import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressWatch } from '../../src/executor/lifecycle/progress-watch.ts';
import {
  type Finding,
  look,
  lookAtBacklog,
  newWatch,
  type Progress,
} from '../../src/executor/lifecycle/watchdog.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const TIMEOUT = 60;
const progress = (taken: number, settled: number, inFlight = taken - settled): Progress => ({
  taken,
  settled,
  inFlight,
});

/** What is found when one looks each 10 ms, by the time of the look; `backlog` is what Kafka has. */
function findings(at: (now: number) => Progress, until: number, backlog = (_: number) => 0) {
  const found: [number, Finding | 'silent'][] = [];
  let watch = newWatch(at(0), 0);
  for (let now = 10; now <= until; now += 10) {
    const { watch: next, finding } = look(watch, at(now), now, TIMEOUT);
    watch = next;
    if (finding !== undefined) found.push([now, finding]);
    if (finding !== 'idle') continue;
    const looked = lookAtBacklog(watch, backlog(now), now);
    watch = looked.watch;
    if (looked.isSilent) found.push([now, 'silent']);
  }
  return found;
}

test('one that delivers, however slowly, is never stalled', () => {
  assert.deepEqual(
    findings((now) => progress(1000, Math.floor(now / 50)), 1000),
    [],
  );
});

test('one that has nothing to do is never stalled', () => {
  const found = findings(() => progress(5, 5), 300);
  assert.deepEqual(
    found,
    [60, 120, 180, 240, 300].map((now) => [now, 'idle']),
  );
});

test('messages that wait while none is acknowledged: stalled, once, and resumed with the first', () => {
  const at = (now: number) => (now < 100 ? progress(0, 0) : progress(9, now < 300 ? 0 : 1));
  assert.deepEqual(findings(at, 340), [
    [60, 'idle'],
    [160, 'stalled'],
    [300, 'resumed'],
  ]);
});

test('the time counts from the last acknowledgement, not from when the message came', () => {
  const at = (now: number) => progress(100, Math.min(5, Math.floor(now / 10)));
  assert.deepEqual(findings(at, 200), [[110, 'stalled']]);
});

test('one whose waiting messages went to another executor is not stalled any more', () => {
  const at = (now: number) => (now < 100 ? progress(9, 0) : progress(9, 0, 0));
  assert.deepEqual(findings(at, 120), [
    [60, 'stalled'],
    [100, 'resumed'],
  ]);
});

test('one whose waiting messages went to another executor in time is not stalled at all', () => {
  const at = (now: number) => (now < 60 ? progress(9, 0) : progress(9, 0, 0));
  assert.deepEqual(findings(at, 100), []);
});

test('new messages alone are no progress', () => {
  assert.deepEqual(
    findings((now) => progress(now, 0), 100),
    [[70, 'stalled']],
  );
});

test('messages in Kafka of which none comes: silent at the second look, and again each time', () => {
  const found = findings(
    () => progress(5, 5),
    220,
    (now) => (now < 100 ? 0 : 3),
  );
  assert.deepEqual(found, [
    [60, 'idle'],
    [120, 'idle'],
    [150, 'idle'],
    [150, 'silent'],
    [180, 'idle'],
    [180, 'silent'],
    [210, 'idle'],
    [210, 'silent'],
  ]);
});

test('messages that come after all between two looks are no silence', () => {
  const at = (now: number) => (now < 80 ? progress(5, 5) : progress(6, 6));
  assert.deepEqual(
    findings(at, 140, (now) => (now === 60 ? 1 : 0)),
    [
      [60, 'idle'],
      [140, 'idle'],
    ],
  );
});

test('what is found is told with its reason, until the watch ends', async () => {
  const clock = new FakeClock();
  const watched = {
    lag: 7,
    progress: progress(3, 0),
    lastFailure: 'HTTP 503',
    async backlog() {
      if (watched.isKafkaAway) throw new Error('Kafka is away');
      return 4;
    },
    isKafkaAway: true,
  };
  const told: string[] = [];
  const watch = new ProgressWatch(
    watched,
    60_000,
    {
      stalled: (reason) => told.push(reason),
      resumed: () => told.push('resumed'),
      silent: (reason) => told.push(reason),
    },
    { ...testDeps(), clock },
  );
  await clock.advance(130_000);
  const stalled = 'no message was acknowledged since 2030-01-01T00:00:00.000Z; 7 wait; last error: HTTP 503';
  assert.deepEqual(told, [stalled]);
  assert.equal(watch.stalledReason, stalled);
  watched.progress = progress(3, 3);
  await clock.advance(10_000);
  assert.deepEqual(told.splice(0), [stalled, 'resumed']);
  assert.equal(watch.stalledReason, undefined);
  await clock.advance(120_000);
  assert.deepEqual(told, [], 'Kafka does not say that there are any');
  watched.isKafkaAway = false;
  await clock.advance(120_000);
  assert.match(told[0] ?? '', /^4 messages wait in Kafka and none comes/);
  watch[Symbol.dispose]();
  assert.equal(clock.timers, 0);
});
