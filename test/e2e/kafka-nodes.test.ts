import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { judge } from './kit/judge.ts';
import { type KafkaCluster, kafkaCluster } from './kit/kafka-cluster.ts';
import { diskMissing } from './kit/limited-disk.ts';
import type { Fault } from './kit/oracle.ts';
import { isLong, System } from './kit/system.ts';

const RESTARTS = isLong ? 10 : 1;
const ELECTIONS = isLong ? 60 : 8;
/** Clients an integration, and messages a second of each: 5,000 a second in full. */
const LOAD = isLong ? { clients: 25, rate: 34 } : { clients: 4, rate: 20 };
/** For what a fault kept waiting. */
const AFTERWARDS = 3000;

const noDisk = diskMissing();
const cluster = kafkaCluster({ lastDisk: noDisk === undefined ? 256 << 20 : undefined });

/** Judges what three executors delivered, and what Kafka has, after something was done to a node of Kafka under load. */
async function judged(
  t: TestContext,
  harm: (kafka: KafkaCluster, system: System, faults: Fault[]) => Promise<void>,
): Promise<void> {
  const kafka = await cluster();
  const servers = { brokersOf: () => kafka.brokers };
  const system = await System.start(t, { integrations: 6, executors: 3, ...LOAD, isBatched: true, servers });
  const load = system.load();
  await system.delivers();
  await sleep(AFTERWARDS);
  const began = performance.now();
  const before = load.acknowledged.length;
  const faults: Fault[] = [];
  await harm(kafka, system, faults);
  const seconds = (performance.now() - began) / 1000;
  const rate = Math.round((load.acknowledged.length - before) / seconds);
  t.diagnostic(`${rate} messages/s were acknowledged during ${seconds.toFixed(1)} s of faults`);
  await system.delivers();
  await sleep(AFTERWARDS);
  await judge(t, system, load, faults);
}

test(`Kafka restarts one node after the other under load, ${RESTARTS} times`, (t) =>
  judged(t, async (kafka, _, faults) => {
    for (let i = 0; i < RESTARTS; i++) {
      const at = performance.now();
      await kafka.rollingRestart();
      faults.push({ at, until: performance.now() });
    }
  }));

test(`Kafka elects other leaders each second under load, ${ELECTIONS} times`, (t) =>
  judged(t, async (kafka, system, faults) => {
    for (let i = 0; i < ELECTIONS; i++) {
      const at = performance.now();
      await kafka.moveLeaders((topic) => system.owns(topic));
      await sleep(1000 - Math.min(1000, performance.now() - at));
      faults.push({ at, until: performance.now() });
    }
  }));

test("the node of Kafka that coordinates the executors' group is killed under load", (t) =>
  judged(t, async (kafka, system, faults) => {
    const at = performance.now();
    const node = await kafka.coordinator();
    await kafka.killNode(node);
    await system.delivers();
    await kafka.startNode(node);
    await kafka.inSync();
    faults.push({ at, until: performance.now() });
  }));

test("one node's disk is full under load", { skip: noDisk ?? false }, (t) =>
  judged(t, async (kafka, system, faults) => {
    const at = performance.now();
    await kafka.fillDisk();
    await system.delivers();
    await kafka.freeDisk();
    faults.push({ at, until: performance.now() });
  }),
);
