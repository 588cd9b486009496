import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Topic } from '../../src/bus/topics.ts';
import { envelope } from '../helpers/messages.ts';
import { installationForTests, type RoleRun } from '../helpers/roles.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { DownlinkTopic } from './kit/downlink-topic.ts';
import { NumberedSink } from './kit/numbered-sink.ts';
import { kafkaWithLinks } from './kit/own-servers.ts';
import { isLong } from './kit/system.ts';

const ALL = 10_000;
const ENABLED = isLong ? 1000 : 300;
/** Once enabled, and disabled or deleted since: they must not start with what they were. */
const PAST = 50;
const DELETED = 2000;
const MEGABYTE = 1 << 20;
const MEMORY = (300 + 4 * ENABLED) * MEGABYTE;
const ANSWER = 3000;
const STOP = 15_000;

const kafka = kafkaWithLinks();

test(`${ALL} integrations, ${ENABLED} of them enabled, restored from a topic that is being compacted`, async (t) => {
  const { server, brokersOf } = await kafka();
  const { bus, topics, start } = await installationForTests(t, { brokersOf });
  const sink = await NumberedSink.start(t);
  const downlink = new DownlinkTopic(bus, topics);
  await downlink.make();
  await bus.createTopics([topics.validation('http'), topics.uplink]);

  const enabled = downlink.ids(ENABLED);
  const disabled = downlink.ids(ALL - ENABLED);
  const past = [disabled.slice(0, PAST), downlink.ids(PAST), downlink.ids(1, 'emptied')] as const;
  const [, ...justDeleted] = past;
  const deleted = [...downlink.ids(DELETED), ...downlink.ids(100, 'emptied'), ...justDeleted.flat()];
  const url = (id: string) => sink.url(id);
  const once = { generation: 1n, enabled: true };
  await downlink.write([...enabled, ...disabled, ...deleted], once, () => sink.url('before'));
  await downlink.write([...enabled, ...disabled], { generation: 2n, enabled: false }, url);
  await downlink.remove(deleted);
  await downlink.write(enabled, { generation: 3n, enabled: true }, url);
  await downlink.endWithoutRecord(server.internal);
  await createAll([...enabled, ...past.flat()].map((id) => topics.messages(id)));
  for (const id of [...enabled, ...past.flat()]) {
    const payload = Buffer.from(JSON.stringify({ client: id, n: 0 }));
    void bus.send(topics.messages(id).name, { key: id, value: envelope(0, { clientId: id, payload }) });
  }
  const records = await downlink.count();

  async function createAll(all: readonly Topic[]): Promise<void> {
    for (let i = 0; i < all.length; i += 100) await bus.createTopics(all.slice(i, i + 100));
  }

  const began = performance.now();
  const executor = await start('executor', 'executor-1', { TB_SERVICE_INTEGRATIONS_SUPPORTED: 'HTTP' });
  const restored = performance.now() - began;
  const slowest = await slowestAnswer(executor, () =>
    waitUntil('all enabled ones deliver', () => sink.arrivals.length >= ENABLED, 120_000),
  );
  const delivered = performance.now() - began;
  t.diagnostic(
    `${records} records; restored after ${(restored / 1000).toFixed(1)} s, all delivered after ` +
      `${(delivered / 1000).toFixed(1)} s, at most ${mostInASecond(sink)} started in a second; ` +
      `${Math.round(executor.peakMemory / MEGABYTE)} MB at most, slowest answer ${Math.round(slowest)} ms`,
  );
  assert.ok(executor.peakMemory < MEMORY, `${executor.peakMemory} bytes`);
  assert.ok(slowest < ANSWER, `an answer took ${Math.round(slowest)} ms`);
  const stopping = performance.now();
  assert.equal(await executor.stop('SIGTERM'), 0);
  const stopped = Math.round(performance.now() - stopping);
  t.diagnostic(`stopped after ${stopped} ms`);
  assert.ok(stopped <= STOP, `stopping took ${stopped} ms`);
  const arrived = sink.arrivals.map(({ integration }) => integration);
  assert.deepEqual(arrived.toSorted(), enabled.toSorted(), 'each enabled one delivered once, no other did');
  assert.equal(sink.refused, 0);
});

/** The longest that an executor took to say that it lives, while something happens. */
async function slowestAnswer(executor: RoleRun, during: () => Promise<void>): Promise<number> {
  let isOver = false;
  let slowest = 0;
  const asking = (async () => {
    while (!isOver) {
      const began = performance.now();
      await fetch(`http://${executor.address('HTTP')}/health/live`).then((response) => response.text());
      slowest = Math.max(slowest, performance.now() - began);
      await sleep(50);
    }
  })();
  await during().finally(() => {
    isOver = true;
  });
  await asking;
  return slowest;
}

function mostInASecond({ arrivals }: NumberedSink): number {
  return Math.max(...arrivals.map(({ at }) => arrivals.filter((one) => Math.abs(at - one.at) < 500).length));
}
