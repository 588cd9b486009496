import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../helpers/wait-until.ts';
import { judge } from './kit/judge.ts';
import { type Fault, ownersOf } from './kit/oracle.ts';
import { isLong, System } from './kit/system.ts';

const ROUNDS = isLong ? 10 : 1;
/** How long the sink takes, so that something is in flight whenever a part moves. Milliseconds. */
const IN_FLIGHT = 20;
/** Ingress hears of added partitions by then, and keys have come to all of them. */
const SPREAD = 60_000;

/** Three executors; `i1` with so many clients that each of three parts has some, and one that nobody touches. */
async function spreadable(t: TestContext, maxExecutors: number) {
  const options = { integrations: 2, executors: 3, clients: 12, rate: 5, maxExecutors };
  const system = await System.start(t, options);
  system.sink.delay = IN_FLIGHT;
  /** Raises or lowers it, and waits until its parts deliver, on as many executors as there are parts at most. */
  const spread = async (parts: number) => {
    await system.spread('i1', parts);
    const begin = performance.now();
    await sleep(1000);
    const delivers = () => {
      const from = Math.max(begin, performance.now() - 2000);
      const owners = new Set(ownersOf(system.sink.arrivals, 'i1', from, performance.now()));
      return owners.size >= Math.min(parts, 2) && (parts > 1 || owners.size === 1);
    };
    await waitUntil(`${parts} parts deliver`, delivers, SPREAD);
    t.diagnostic(`${parts} parts deliver after ${Math.round(performance.now() - begin)} ms`);
  };
  return { system, spread };
}

test('max_executors is raised and lowered by the API while messages flow, and an executor is killed', async (t) => {
  const { system, spread } = await spreadable(t, 3);
  const load = system.load();
  await system.delivers();
  const faults: Fault[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const parts of [1, 3, 2, 3]) await spread(parts);
    const node = system.busiest().serviceId;
    const isKilled = system.killExecutor(node);
    await spread(1); // while the others are about to notice
    faults.push({ node, at: await isKilled });
    await system.startExecutor();
    await spread(3);
  }
  await judge(t, system, load, faults);
});

test('a topic that grows under load loses nothing and repeats nothing', async (t) => {
  const { system, spread } = await spreadable(t, 1);
  const load = system.load();
  await system.delivers();
  await spread(3);
  assert.equal(await system.controlPlane.metric('penstock_message_topics_grown_total'), 1);
  await judge(t, system, load, [], ['i1']);
});
