import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { MeasuredChild } from './child.ts';
import { type Drain, mediansOf, shareOf } from './http.ts';
import { disable, enable, openRig, prepare, type Rig, topics } from './rig.ts';

const MESSAGES = 200_000;
const PAYLOAD = 256;
/** What a message of 256 bytes is in the envelope. */
const BODY = 620;
const WINDOWS = [64, 1000];
const RUNS = 3;
/** How often the topic is asked how much it holds, in milliseconds. */
const POLL = 50;
/** Messages at the beginning that do not count: they pay for the start. */
const WARM_UP = 20_000;

/**
 * Drains 200,000 messages of 256 bytes to a topic of the same Kafka, acks=all, against a bare kafkajs loop that consumes the
 * one topic and produces to the other, as many records in a request as the window holds.
 */
export async function measureKafka(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const rig = await openRig(stack, 'kafka');
  const admin = new kafkajs.Kafka({ brokers: [rig.kafka], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  stack.defer(() => admin.disconnect());
  const results: Record<string, object> = {};
  for (const window of WINDOWS) {
    const raw: Drain[] = [];
    const penstock: Drain[] = [];
    for (let run = 0; run < RUNS; run++) {
      const id = await prepare(rig.bus, MESSAGES, PAYLOAD);
      raw.push(await drainRaw(rig, admin, id, window));
      penstock.push(await drain(rig, admin, id, window));
    }
    results[`kafkajs, bare loop, window ${window}`] = mediansOf(raw);
    results[`penstock, max_in_flight ${window}`] = shareOf(penstock, raw);
  }
  return results;
}

/** Drains one integration's topic. */
async function drain(
  { bus, executor, kafka }: Rig,
  admin: kafkajs.Admin,
  id: string,
  window: number,
): Promise<Drain> {
  const topic = await newTopic(admin);
  const configuration = {
    case: 'kafka' as const,
    value: { bootstrapServers: [kafka], topic, key: '${clientId}' },
  };
  await enable(bus, id, configuration, { maxInFlight: window, ackStrategy: 2 });
  const drained = await measured(admin, topic, executor);
  await disable(bus, id, 'kafka');
  return drained;
}

async function drainRaw({ kafka }: Rig, admin: kafkajs.Admin, id: string, window: number): Promise<Drain> {
  const topic = await newTopic(admin);
  const args = [kafka, topics.messages(id).name, topic, String(BODY), String(window)];
  await using loop = new MeasuredChild('./kafkajs-loop.ts', args);
  await loop.message('ready');
  loop.process.send('go');
  return await measured(admin, topic, loop);
}

async function newTopic(admin: kafkajs.Admin): Promise<string> {
  const topic = `sink-${randomUUID()}`;
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  return topic;
}

/** Looks at the end of the topic until everything has arrived. */
async function measured(admin: kafkajs.Admin, topic: string, child: MeasuredChild): Promise<Drain> {
  const first = await reached(admin, topic, WARM_UP);
  const cpu = child.cpuSeconds;
  const begin = performance.now();
  const last = await reached(admin, topic, MESSAGES);
  const seconds = (performance.now() - begin) / 1000;
  const count = last - first;
  const cpuMicros = ((child.cpuSeconds - cpu) / count) * 1e6;
  return { rate: count / seconds, cpuMicros, peakMiB: child.peakMiB };
}

async function reached(admin: kafkajs.Admin, topic: string, wanted: number): Promise<number> {
  for (;;) {
    const end = Number((await admin.fetchTopicOffsets(topic))[0]?.high);
    if (end >= wanted) return end;
    await sleep(POLL);
  }
}
