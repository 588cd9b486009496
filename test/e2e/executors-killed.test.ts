import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { judge } from './kit/judge.ts';
import { type Fault, recoveries } from './kit/oracle.ts';
import { isLong, RECOVERY, System } from './kit/system.ts';

const CYCLES = Number(process.env.PENSTOCK_TEST_CYCLES ?? (isLong ? 100 : 5));
/** From the start of the replacement to the next kill: in the middle of its rebalance, around a commit, and at rest. */
const PAUSES = [0, 700, 1900, 3100];

/** How long the sink takes, so that something is in flight at every kill. Milliseconds. */
const IN_FLIGHT = 30;

test(`${CYCLES} kills of executors under load lose nothing, and each is made good within ${RECOVERY} ms`, async (t) => {
  const system = await System.start(t, { integrations: 6, executors: 3 });
  system.sink.delay = IN_FLIGHT;
  const load = system.load();
  await system.delivers();
  const kills: Fault[] = [];
  const back: number[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    await sleep(PAUSES[cycle % PAUSES.length]!);
    // Each in turn, but one that has something to lose.
    const owners = [...new Set(system.sink.owners().values())].filter((id) => system.executors.has(id));
    const node = owners[cycle % owners.length]!;
    const at = await system.killExecutor(node);
    kills.push({ node, at });
    await system.delivers().catch(() => {}); // judged by the time it took
    const took = [...recoveries(system.sink.arrivals, [...system.integrations.keys()], at, node).values()];
    back.push(Math.round(Math.max(...took)));
    await system.startExecutor();
  }
  await system.delivers();
  t.diagnostic(`delivering again after ${back.toSorted((a, b) => a - b).join(', ')} ms`);
  await judge(t, system, load, kills);
  assert.ok(Math.max(...back) <= RECOVERY, `recovery took ${Math.max(...back)} ms`);
});
