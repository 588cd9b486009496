import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { judge } from './kit/judge.ts';
import { longestGap, ownersOf } from './kit/oracle.ts';
import { isLong, RECOVERY, System } from './kit/system.ts';

const ROUNDS = isLong ? 10 : 1;
const STEADY = isLong ? 15_000 : 6000;
const BEFORE = 1000;
/**
 * Two messages of an integration come 25 ms apart. What starts on the same processors makes that more at times; a delivery
 * that is stopped and started again, or waits for a rebalance, makes it this long.
 */
const GAP = 1000;

/** How long the sink takes, so that something is in flight whenever an executor stops. Milliseconds. */
const IN_FLIGHT = 30;

test(`${ROUNDS} times from one executor to three and back under load`, async (t) => {
  const system = await System.start(t, { integrations: 9, executors: 1 });
  const { arrivals } = system.sink;
  const names = [...system.integrations.keys()];
  system.sink.delay = IN_FLIGHT;
  const load = system.load();
  await system.delivers();
  await sleep(2000);

  /** Lets something happen, and judges the pauses that it made. */
  const phase = async (what: string, act: () => Promise<unknown>) => {
    const from = performance.now() - BEFORE; // whose they were then is part of it
    await act();
    await sleep(STEADY);
    const to = performance.now();
    const gapOf = (name: string) => Math.round(longestGap(arrivals, name, from, to));
    const kept = names.filter((name) => ownersOf(arrivals, name, from, to).length === 1);
    const moved = names.filter((name) => !kept.includes(name));
    const [keptGap, movedGap] = [kept, moved].map((some) => Math.max(0, ...some.map(gapOf)));
    t.diagnostic(
      `${what}: ${kept.length} kept their executor, longest gap ${keptGap} ms; ` +
        `${moved.length} moved, longest gap ${movedGap} ms`,
    );
    return { what, kept: kept.length, keptGap: keptGap!, movedGap: movedGap! };
  };
  const phases = [await phase('one', async () => {})];
  for (let round = 0; round < ROUNDS; round++) {
    let added: readonly string[] = [];
    const grow = async () => {
      added = await Promise.all([system.startExecutor(), system.startExecutor()]);
    };
    phases.push(await phase('one to three', grow));
    assert.ok(new Set(system.sink.owners().values()).size > 1, 'the new executors deliver, too');
    for (const serviceId of added) {
      const stop = async () => assert.equal((await system.stopExecutor(serviceId)).code, 0);
      phases.push(await phase('one less', stop));
    }
  }
  await judge(t, system, load, []);
  for (const { what, kept, keptGap, movedGap } of phases) {
    assert.ok(kept > 0, `${what}: no integration kept its executor`);
    assert.ok(keptGap <= GAP, `${what}: integrations that kept their executor paused for ${keptGap} ms`);
    assert.ok(movedGap <= RECOVERY, `${what}: an integration was without an executor for ${movedGap} ms`);
  }
});
