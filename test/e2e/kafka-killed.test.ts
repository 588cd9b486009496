import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { judge } from './kit/judge.ts';
import { kafkaWithLinks } from './kit/own-servers.ts';
import { isLong, System } from './kit/system.ts';

/** Longer than any deadline of a producer. */
const AWAY = isLong ? 60_000 : 25_000;
/** So slow that a client never waits for acknowledgements: some messages expire, some are on their way when Kafka is back. */
const LOAD = { clients: 8, rate: 2 };
/** For an acknowledgement that was on its way to the client when Kafka was killed. */
const ON_ITS_WAY = 250;

const kafka = kafkaWithLinks();

test(`Kafka killed under load and back after ${AWAY} ms: nothing acknowledged is lost`, async (t) => {
  const { server, brokersOf } = await kafka();
  const system = await System.start(t, { integrations: 4, executors: 2, ...LOAD, servers: { brokersOf } });
  const load = system.load();
  await system.delivers();
  await sleep(3000);
  const at = performance.now();
  await server.kill();
  const down = performance.now();
  await sleep(AWAY);
  const up = performance.now();
  await server.start();
  await system.delivers();
  const until = performance.now();
  await sleep(3000);
  const falsely = load.acknowledged.filter((one) => one.at > down + ON_ITS_WAY && one.at < up);
  t.diagnostic(
    `delivering again ${Math.round(until - up)} ms after Kafka was started, ` +
      `${falsely.length} acknowledged while it was down`,
  );
  await judge(t, system, load, [{ at, until }]);
  assert.deepEqual(falsely, [], 'messages were acknowledged that Kafka could not have');
  assert.ok(
    load.acknowledged.some((one) => one.at > until),
    'messages are taken in again',
  );
});
