import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { AckStrategy } from '../gen/penstock/v1/delivery_pb.ts';
import { enable, envelopeBytes, expectRequests, type HttpRig, hold, openHttpRig, topics } from './rig.ts';

const COUNTS = [100, 10_000];
const MESSAGES = 50_000;
const AT_A_TIME = 1000;
/** Integrations enabled at a time: a first record takes Kafka longer than those behind it. */
const ENABLED_AT_A_TIME = 100;
/** How long it is watched without messages, in milliseconds; and before that, for it to come to rest. */
const IDLE = 20_000;
const REST = 20_000;
const SCRAPES = 5;
const SETTLED = 2000;
/** One message on its way for each, so that the others wait in Kafka. */
const DELIVERY = {
  ackStrategy: AckStrategy.RETRY_ALL,
  maxInFlight: 1,
  packProcessingTimeout: durationFromMs(600_000),
};

/**
 * One executor with thousands of integrations that all run: what they cost when idle, how long a scrape of its metrics holds
 * everything else up, and what messages cost that are spread over all of them.
 */
export async function measureMany(): Promise<object> {
  const results: Record<string, object> = {};
  for (const count of COUNTS) {
    await using stack = new AsyncDisposableStack();
    results[`${count} integrations`] = await measure(await openHttpRig(stack), count);
  }
  return results;
}

async function measure(rig: HttpRig, count: number): Promise<object> {
  const { bus, executor, url } = rig;
  const ids = Array.from({ length: count }, () => randomUUID());
  for (let i = 0; i < count; i += 100)
    await bus.createTopics(ids.slice(i, i + 100).map((id) => topics.messages(id)));
  const configuration = { case: 'http' as const, value: { restEndpointUrl: url } };
  for (let i = 0; i < count; i += ENABLED_AT_A_TIME) {
    const some = ids.slice(i, i + ENABLED_AT_A_TIME);
    await Promise.all(some.map((id) => enable(bus, id, configuration, DELIVERY)));
  }
  while ((await scrape(rig)).split('\npenstock_integration_lag{').length <= count) await sleep(1000);
  await sleep(REST);
  const cpuAtRest = executor.cpuSeconds;
  await sleep(IDLE);
  const idle = (executor.cpuSeconds - cpuAtRest) / (IDLE / 1000);
  return {
    'idle, of a core': `${(100 * idle).toFixed(1)} %`,
    ...(await measureScrapes(rig)),
    ...(await drainAll(rig, ids)),
    'peak MiB': executor.peakMiB,
  };
}

const scrape = async ({ metricsUrl }: HttpRig) => (await fetch(metricsUrl)).text();

/** How long the executor takes at most to say that it lives, while its metrics are read; and without, for comparison. */
async function measureScrapes(rig: HttpRig): Promise<object> {
  const cpu = rig.executor.cpuSeconds;
  let bytes = 0;
  const longest = await longestAnswer(rig, async () => {
    for (let i = 0; i < SCRAPES; i++) bytes = (await scrape(rig)).length;
  });
  const cpuMs = ((rig.executor.cpuSeconds - cpu) / SCRAPES) * 1000;
  const without = await longestAnswer(rig, () => sleep(2000));
  return {
    'scrape MB': Number((bytes / 1e6).toFixed(1)),
    'scrape CPU ms': Math.round(cpuMs),
    'answers meanwhile ms': `${longest} (${without})`,
  };
}

async function longestAnswer({ metricsUrl }: HttpRig, during: () => Promise<void>): Promise<number> {
  let isOver = false;
  const work = during().finally(() => {
    isOver = true;
  });
  let longest = 0;
  while (!isOver) {
    const begin = performance.now();
    await (await fetch(new URL('/health/live', metricsUrl))).text();
    longest = Math.max(longest, performance.now() - begin);
    await sleep(5);
  }
  await work;
  return Math.round(longest);
}

/**
 * Delivers what waits in all of them: the endpoint answers nothing until all messages are in Kafka. Each has had one before,
 * for a topic's first record costs Kafka a file.
 */
async function drainAll(rig: HttpRig, ids: readonly string[]): Promise<object> {
  const { executor, sink } = rig;
  const first = await expectRequests(sink, ids.length);
  await fill(rig, ids, ids.length);
  await first.arrived;
  const { arrived } = await expectRequests(sink, MESSAGES);
  await hold(sink, true);
  await fill(rig, ids, MESSAGES);
  await sleep(SETTLED);
  const cpu = executor.cpuSeconds;
  const begin = performance.now();
  const waiting = MESSAGES - (await hold(sink, false));
  await arrived;
  const seconds = (performance.now() - begin) / 1000;
  return {
    'messages/s': Math.round(waiting / seconds),
    'CPU µs/message': Math.round(((executor.cpuSeconds - cpu) / waiting) * 1e6),
  };
}

async function fill({ bus }: HttpRig, ids: readonly string[], messages: number): Promise<void> {
  const payload = new Uint8Array(256).fill(120);
  for (let n = 0; n < messages; n += AT_A_TIME) {
    const sends = Array.from({ length: Math.min(AT_A_TIME, messages - n) }, (_, i) => {
      const topic = topics.messages(ids[(n + i) % ids.length]!).name;
      return bus.send(topic, { key: `client-${i}`, value: envelopeBytes(i, payload) });
    });
    await Promise.all(sends);
  }
}
