import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BulkRun, runBulk } from '../../web/src/pages/integrations/bulk.ts';

const named = (count: number) => Array.from({ length: count }, (_, i) => ({ id: String(i), name: `n${i}` }));

test('four at a time, whatever fails of them, and each failure is told with its name', async () => {
  let running = 0;
  let most = 0;
  const told: BulkRun[] = [];
  const call = async ({ id }: { readonly id: string }) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    if (Number(id) % 3 === 0) throw new Error(`no ${id}`);
  };
  await runBulk(named(10), call, (run) => told.push(run), new AbortController().signal);
  assert.equal(most, 4);
  const { total, done, failed, isRunning } = told.at(-1)!;
  assert.deepEqual([total, done, isRunning], [10, 6, false]);
  assert.deepEqual(failed.map(({ one, failure }) => `${one.name}: ${failure.text}`).toSorted(), [
    'n0: no 0',
    'n3: no 3',
    'n6: no 6',
    'n9: no 9',
  ]);
  assert.deepEqual(told[0], { total: 10, done: 0, failed: [], isRunning: true });
});

test('what was not begun when it is stopped is left as it is', async () => {
  const stop = new AbortController();
  const called: string[] = [];
  let last: BulkRun | undefined;
  const call = async ({ id }: { readonly id: string }) => {
    called.push(id);
    await Promise.resolve();
    if (called.length >= 6) stop.abort();
  };
  const tell = (run: BulkRun) => {
    last = run;
  };
  await runBulk(named(100), call, tell, stop.signal);
  assert.ok(called.length < 12, `${called.length} were called`);
  assert.deepEqual([last?.done, last?.isRunning], [called.length, false]);
});
