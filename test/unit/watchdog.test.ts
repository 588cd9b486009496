import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressWatch } from '../../src/executor/lifecycle/progress-watch.ts';
import {
  type Finding,
  look,
  lookAtBacklog,
  lookInVain,
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

/**
 * What is found when one looks each 10 ms, by the time of the look; `backlog` is what Kafka says that it has, undefined
 * when it does not tell; `lag` is what it is known to have.
 */
function findings(
  at: (now: number) => Progress,
  until: number,
  backlog: (now: number) => number | undefined = () => 0,
  lag = 0,
) {
  const found: [number, Finding | 'silent'][] = [];
  let watch = newWatch(at(0), 0);
  for (let now = 10; now <= until; now += 10) {
    const { watch: next, finding } = look(watch, at(now), now, TIMEOUT);
    watch = next;
    if (finding !== undefined) found.push([now, finding]);
    if (finding !== 'idle') continue;
    const answer = backlog(now);
    if (answer === undefined) {
      const vain = lookInVain(watch, lag, now, TIMEOUT);
      watch = vain.watch;
      if (vain.isStalled) found.push([now, 'stalled']);
      continue;
    }
    const looked = lookAtBacklog(watch, answer, now);
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

const turns = (found: ReturnType<typeof findings>) => found.filter(([, finding]) => finding !== 'idle');

test('messages that Kafka is known to have and does not give: stalled, until it does', () => {
  const at = (now: number) => (now < 300 ? progress(5, 5) : progress(8, 8));
  const away = (now: number) => (now < 300 ? undefined : 0);
  assert.deepEqual(turns(findings(at, 400, away, 3)), [
    [70, 'stalled'],
    [300, 'resumed'],
  ]);
});

test('messages that Kafka is known to have, and says that it has not, are no stall', () => {
  const found = findings(
    () => progress(5, 5),
    400,
    (now) => (now === 120 ? undefined : 0),
    3,
  );
  assert.deepEqual(turns(found), []);
});

test('Kafka that does not tell whether it has any: stalled after the timeout, until it tells', () => {
  const away = (now: number) => (now < 200 ? undefined : 0);
  assert.deepEqual(turns(findings(() => progress(5, 5), 400, away)), [
    [120, 'stalled'],
    [210, 'resumed'],
  ]);
  const soon = (now: number) => (now < 110 ? undefined : 0);
  assert.deepEqual(turns(findings(() => progress(5, 5), 400, soon)), []);
});

test('what Kafka had before it did not answer counts no more; it is asked again at each look', () => {
  const backlog = (now: number) => (now > 60 && now < 120 ? undefined : 3);
  const idle = [60, 90, 100, 110, 120, 150].map((now) => [now, 'idle']);
  assert.deepEqual(
    findings(() => progress(5, 5), 150, backlog),
    [...idle, [150, 'silent']],
  );
});

test('Kafka that is back with messages which still do not come: started anew', () => {
  const found = findings(
    () => progress(5, 5),
    240,
    (now) => (now < 200 ? undefined : 3),
  );
  assert.deepEqual(turns(found), [
    [120, 'stalled'],
    [230, 'silent'],
  ]);
});

test('what is found is told with its reason, until the watch ends', async () => {
  const clock = new FakeClock();
  const watched = {
    lag: 7,
    progress: progress(3, 0),
    lastFailure: 'HTTP 503',
    suspicion: undefined as string | undefined,
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
      suspected: (reason) => told.push(`suspected: ${reason}`),
    },
    { ...testDeps(), clock },
  );
  await clock.advance(130_000);
  const stalled = 'no message was acknowledged since 2030-01-01T00:00:00.000Z; 7 wait; last error: HTTP 503';
  assert.deepEqual(told, [stalled]);
  assert.equal(watch.stalledReason, stalled);
  watched.progress = progress(3, 3);
  watched.lag = 4;
  await clock.advance(10_000);
  assert.deepEqual(told.splice(0), [stalled, 'resumed']);
  assert.equal(watch.stalledReason, undefined);
  await clock.advance(120_000);
  const cutOff = '4 messages wait in Kafka and do not come: Kafka is away';
  assert.deepEqual(told.splice(0), [cutOff]);
  assert.equal(watch.stalledReason, cutOff);
  watched.progress = progress(7, 7);
  watched.lag = 0;
  await clock.advance(10_000);
  assert.deepEqual(told.splice(0), ['resumed']);
  await clock.advance(150_000);
  assert.deepEqual(told.splice(0), ['Kafka gives no messages: Kafka is away']);
  watched.isKafkaAway = false;
  await clock.advance(120_000);
  assert.match(told[0] ?? '', /^4 messages wait in Kafka and none comes/);
  watch[Symbol.dispose]();
  assert.equal(clock.timers, 0);
});

test('messages that come while Kafka is asked whether there are any are no silence', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const watched = {
    lag: 4,
    progress: progress(0, 0),
    lastFailure: '',
    suspicion: undefined,
    async backlog() {
      asked++;
      if (asked === 2) watched.progress = progress(3, 3);
      return 4;
    },
  };
  const told: string[] = [];
  const watch = new ProgressWatch(
    watched,
    60_000,
    {
      stalled: (reason) => told.push(reason),
      resumed: () => told.push('resumed'),
      silent: (reason) => told.push(reason),
      suspected: (reason) => told.push(`suspected: ${reason}`),
    },
    { ...testDeps(), clock },
  );
  await clock.advance(100_000);
  assert.ok(asked >= 2);
  assert.deepEqual(told, []);
  watch[Symbol.dispose]();
});

test('a message that connections seem to be lost for is told, until it is found innocent or given up', async () => {
  const clock = new FakeClock();
  const suspicion: string | undefined = undefined;
  const watched = {
    ...{ lag: 0, lastFailure: '', suspicion, progress: progress(3, 0) },
    backlog: async () => 0,
  };
  const told: string[] = [];
  const tell = (what: string) => (reason?: string) => told.push(`${what}: ${reason}`);
  const findings = {
    ...{ stalled: tell('stalled'), resumed: tell('resumed') },
    ...{ silent: tell('silent'), suspected: tell('suspected') },
  };
  using watch = new ProgressWatch(watched, 60_000, findings, { ...testDeps(), clock });
  await clock.advance(10_000);
  Object.assign(watched, { suspicion: 'message 0-7' });
  await clock.advance(20_000);
  assert.deepEqual(told.splice(0), ['suspected: message 0-7'], 'once');
  Object.assign(watched, { suspicion: undefined, progress: progress(3, 3) });
  await clock.advance(5000);
  assert.deepEqual(told.splice(0), ['suspected: undefined']);
  assert.equal(watch.stalledReason, undefined);
});
