import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { judge } from './kit/judge.ts';
import type { SinkMode } from './kit/numbered-sink.ts';
import type { Fault } from './kit/oracle.ts';
import { kafkaWithLinks } from './kit/own-servers.ts';
import { isLong, System } from './kit/system.ts';

const ROUNDS = isLong ? 10 : 1;
const STOP = 15_000;
/** How long the sink takes, so that something is in flight at every stop. Milliseconds. */
const IN_FLIGHT = 30;
const BLACK_HOLE = { upstream: { timeout: true }, downstream: { timeout: true } };
const MODES: readonly SinkMode[] = ['answers', 'hangs', 'resets'];

const kafka = kafkaWithLinks('executor-1', 'executor-2');

test('an executor stops in order under load, whatever the external system does', async (t) => {
  const system = await System.start(t, { integrations: 6, executors: 1 });
  const { sink } = system;
  sink.delay = IN_FLIGHT;
  const load = system.load();
  await system.delivers();
  const stops: string[] = [];
  /** Behind a message that the system does not take nothing can be committed: what other clients had delivered comes again. */
  const faults: Fault[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const mode of MODES) {
      const [old = ''] = system.executors.keys();
      await system.startExecutor();
      await sleep(2000 + 170 * round);
      sink.mode = mode;
      if (mode !== 'answers') faults.push({ node: old, at: performance.now() });
      await sleep(mode === 'answers' ? 0 : 1000);
      const { code, ms } = await system.stopExecutor(old);
      stops.push(`${mode}: ${ms} ms`);
      sink.mode = 'answers';
      assert.equal(code, 0, mode);
      assert.ok(ms <= STOP, `with a system that ${mode} it took ${ms} ms`);
      await system.delivers();
    }
  }
  t.diagnostic(`stopped, with a system that ${stops.join(', ')}`);
  await judge(t, system, load, faults);
});

test('an executor stops in order while Kafka is away from it', (t) => stopWithoutKafka(t, 'answers'));

test('an executor stops although Kafka is away and the system hangs', (t) => stopWithoutKafka(t, 'hangs'));

async function stopWithoutKafka(t: TestContext, mode: SinkMode): Promise<void> {
  const { links, brokersOf } = await kafka();
  const system = await System.start(t, { integrations: 6, executors: 2, servers: { brokersOf } });
  system.sink.delay = IN_FLIGHT;
  const load = system.load();
  await system.delivers();
  await sleep(2000);
  const { serviceId: node } = system.busiest();
  const link = links.get(node)!;
  await link.set(BLACK_HOLE);
  const at = performance.now();
  system.sink.mode = mode;
  await sleep(500);
  const { code, ms } = await system.stopExecutor(node);
  system.sink.mode = 'answers';
  await link.set({});
  t.diagnostic(`stopped after ${ms} ms`);
  await system.delivers();
  await judge(t, system, load, [{ node, at }]);
  assert.equal(code, 0);
  assert.ok(ms <= STOP, `it took ${ms} ms`);
}
