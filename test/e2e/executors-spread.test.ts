import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { waitUntil } from '../helpers/wait-until.ts';
import { judge } from './kit/judge.ts';
import type { Fault } from './kit/oracle.ts';
import { isLong, System } from './kit/system.ts';

const ROUNDS = isLong ? 10 : 1;
/** How long the sink takes, so that something is in flight whenever a part moves. Milliseconds. */
const IN_FLIGHT = 20;
/** Ingress uses added partitions by then; a part has taken over what one had that was killed. */
const SPREAD = 60_000;
/** MQTT clients an integration: some in each of three partitions. */
const CLIENTS = 12;

/** Three executors; `i1` with so many clients that each of three parts has some, and one that nobody touches. */
async function spreadable(t: TestContext, maxExecutors: number) {
  const options = { integrations: 2, executors: 3, clients: CLIENTS, rate: 5, maxExecutors };
  const system = await System.start(t, options);
  system.sink.delay = IN_FLIGHT;
  /** Raises or lowers it, and waits until all its parts run, and every client's messages come. */
  const spread = async (parts: number) => {
    await system.spread('i1', parts);
    await waitUntil(`${parts} parts run`, () => system.runs('i1'), SPREAD);
    const begin = performance.now();
    const clients = () => {
      const late = system.sink.arrivals.filter(({ integration, at }) => integration === 'i1' && at > begin);
      return new Set(late.map(({ client }) => client)).size;
    };
    await waitUntil('messages of every client come', () => clients() === CLIENTS, SPREAD);
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
  const isUsed = async () => (await system.partitionsUsed('i1')) === 3;
  await waitUntil('messages come to the added partitions', isUsed, SPREAD);
  assert.equal(await system.controlPlane.metric('penstock_message_topics_grown_total'), 1);
  await judge(t, system, load, [], ['i1']);
});
