import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../helpers/wait-until.ts';
import { judge } from './kit/judge.ts';
import { recoveries } from './kit/oracle.ts';
import { kafkaWithLinks } from './kit/own-servers.ts';
import { isLong, RECOVERY, System } from './kit/system.ts';

/** Kafka gives a member's partitions away after so long without a heartbeat; its lease ends before. */
const SESSION = 6000;
/** Slower than the load: an executor always has something that it could send. */
const SLOW = 150;
const WAYS = {
  'that hears nothing': { upstream: { timeout: true }, downstream: { timeout: true } },
  'whose connections are refused': { down: true },
};

const kafka = kafkaWithLinks('executor-1', 'executor-2');

for (const [how, faults] of Object.entries(WAYS).slice(0, isLong ? undefined : 1)) {
  test(`an executor cut off from Kafka, ${how}, stops sending before others begin`, async (t) => {
    const { links, brokersOf } = await kafka();
    const system = await System.start(t, { integrations: 6, executors: 2, servers: { brokersOf } });
    const { sink } = system;
    const { arrivals } = sink;
    const load = system.load();
    await system.delivers();
    sink.delay = SLOW;
    await sleep(4000);
    const { serviceId: cutOff, integrations: cut } = system.busiest();
    const link = links.get(cutOff)!;
    await link.set(faults);
    const at = performance.now();
    const took = () => Math.max(...recoveries(arrivals, cut, at, cutOff).values());
    await waitUntil('others deliver instead', () => took() < Number.POSITIVE_INFINITY, 60_000);
    await sleep(2000);
    sink.delay = 0;
    await link.set({});
    const until = performance.now();
    const during = arrivals.filter((one) => one.at > at && one.at < until);
    const sentFor = Math.round(during.findLast(({ node }) => node === cutOff)!.at - at);
    t.diagnostic(
      `it had ${cut.length} of ${system.integrations.size} integrations and sent for another ${sentFor} ms; ` +
        `others delivered after ${Math.round(took())} ms`,
    );
    const both = cut.filter((name) => {
      const own = during.findLastIndex((one) => one.integration === name && one.node === cutOff);
      const other = during.findIndex((one) => one.integration === name && one.node !== cutOff);
      return own > other;
    });
    await sleep(5000);
    await judge(t, system, load, [{ node: cutOff, at, until }]);
    assert.ok(sentFor <= SESSION, `it sent for ${sentFor} ms`);
    assert.deepEqual(both, [], 'two executors sent for one integration');
    assert.ok(took() <= RECOVERY, `others delivered after ${took()} ms`);
  });
}
