import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  type RedriveDeadLettersResponse,
  RedriveDeadLettersResponseSchema,
} from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { Redrives } from '../../web/src/pages/dead-letters/redrives.ts';

/** Redrives whose server tells what the test says, and whose clock stands. */
function redrivesForTests() {
  const calls: string[] = [];
  const timers = new Set<() => void>();
  let tell: (answer: RedriveDeadLettersResponse | 'end' | Error) => void = () => {};
  const redrives = new Redrives({
    async *redrive({ integrationId }, signal) {
      calls.push(integrationId);
      for (;;) {
        const { promise, resolve, reject } = Promise.withResolvers<RedriveDeadLettersResponse | 'end'>();
        tell = (answer) => (answer instanceof Error ? reject(answer) : resolve(answer));
        signal.addEventListener('abort', () => reject(new Error('cut')), { once: true });
        const answer = await promise;
        if (answer === 'end') return;
        yield answer;
      }
    },
    later(callback) {
      timers.add(callback);
      return () => timers.delete(callback);
    },
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    redrives,
    calls,
    timers,
    async start() {
      redrives.start({ integrationId: 'a', filter: {}, maxRate: 0 });
      await settle();
    },
    async tell(answer: { total: bigint; redriven: bigint; done: boolean } | 'end' | Error) {
      const isProgress = answer !== 'end' && !(answer instanceof Error);
      tell(isProgress ? create(RedriveDeadLettersResponseSchema, answer) : answer);
      await settle();
    },
    now: () => redrives.runs.value.get('a'),
    settle,
  };
}

test('a redrive is as far as its stream tells, and one of an integration runs at a time', async () => {
  const { redrives, calls, timers, start, tell, now } = redrivesForTests();
  await start();
  await start();
  assert.deepEqual([calls, redrives.running()], [['a'], ['a']]);
  await tell({ total: 9n, redriven: 4n, done: false });
  assert.deepEqual(now(), { state: 'running', total: 9n, redriven: 4n });
  await tell({ total: 9n, redriven: 9n, done: true });
  await tell('end');
  assert.deepEqual(now(), { state: 'done', total: 9n, redriven: 9n });
  assert.deepEqual([redrives.running(), timers.size], [[], 0]);
  await start();
  assert.deepEqual([calls.length, now()], [2, { state: 'running', total: 0n, redriven: 0n }]);
});

test('one that is stopped says what it has put back until then', async () => {
  const { redrives, start, tell, now, settle } = redrivesForTests();
  await start();
  await tell({ total: 9n, redriven: 4n, done: false });
  redrives.stop('a');
  assert.equal(now()?.state, 'stopping');
  assert.deepEqual(redrives.running(), ['a']);
  await settle();
  assert.deepEqual(now(), { state: 'stopped', total: 9n, redriven: 4n });
  redrives.forget('a');
  assert.equal(now(), undefined);
});

test('one that fails, ends early or goes silent never counts as done', async () => {
  const { timers, start, tell, now, settle } = redrivesForTests();
  await start();
  await tell(new Error('no Kafka'));
  assert.deepEqual([now()?.state, now()?.failure?.text], ['failed', 'no Kafka']);
  await start();
  await tell({ total: 2n, redriven: 1n, done: false });
  await tell('end');
  assert.equal(now()?.state, 'failed');
  assert.match(now()!.failure!.text, /ended it before it was done/);
  await start();
  assert.equal(timers.size, 1);
  for (const silence of timers) silence();
  await settle();
  assert.equal(now()?.state, 'failed');
  assert.match(now()!.failure!.text, /says nothing any more/);
});
