import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../helpers/wait-until.ts';
import { judge } from './kit/judge.ts';
import { type Fault, recoveries, repeats } from './kit/oracle.ts';
import { isLong, RECOVERY, System } from './kit/system.ts';

const PAUSES = isLong ? 10 : 1;
/** Slower than the load: an executor always has something that it could send. */
const SLOW = 150;

test('an executor that was paused past its session sends nothing new of what another one delivers now', async (t) => {
  const system = await System.start(t, { integrations: 6, executors: 2 });
  const { sink } = system;
  const names = [...system.integrations.keys()];
  const load = system.load();
  await system.delivers();
  const faults: Fault[] = [];
  for (let i = 0; i < PAUSES; i++) {
    sink.delay = SLOW;
    await sleep(3000);
    const { serviceId: node, integrations: owned } = system.busiest();
    const executor = system.executors.get(node)!;
    executor.pause();
    const at = performance.now();
    const took = () => Math.max(...recoveries(sink.arrivals, names, at, node).values());
    await waitUntil('others deliver instead', () => took() < Number.POSITIVE_INFINITY, 60_000);
    await sleep(1000);
    executor.resume();
    const until = performance.now();
    faults.push({ node, at, until });
    sink.delay = 0;
    await sleep(5000);
    // What it takes over again later on, in order, is judged with all the rest.
    const stray = repeats(sink.arrivals).filter(
      ({ again, before }) =>
        (again.node === node && again.at > until && before.at < until) ||
        (before.node === node && before.at > until),
    );
    t.diagnostic(
      `${node} had ${owned.length} of ${names.length} integrations, others delivered after ` +
        `${Math.round(took())} ms, ${stray.length} came twice by it afterwards`,
    );
    assert.deepEqual(stray.slice(0, 10), [], 'the paused one sent what another one had, or sent again');
    assert.ok(took() <= RECOVERY);
  }
  await judge(t, system, load, faults);
});
