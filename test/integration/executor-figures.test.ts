import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { durationMs, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { Topics } from '../../src/bus/topics.ts';
import type { createMetrics } from '../../src/runtime/metrics.ts';
import { controlPlaneForTests, HTTP } from '../helpers/control-plane.ts';
import { executorBench } from '../helpers/executor.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { realExecutor } from '../helpers/real-executor.ts';
import { keyRing, TEST_KEY_ID } from '../helpers/secret-keys.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const sumOf = (counts: readonly bigint[]) => Number(counts.reduce((sum, count) => sum + count, 0n));

/** A message that was taken in so many milliseconds ago. */
function send(
  { bus, topics }: { readonly bus: Bus; readonly topics: Topics },
  id: string,
  text: string,
  age = 0,
) {
  const envelope = create(EnvelopeSchema, {
    topicName: 'a',
    clientId: 'c',
    payload: Buffer.from(text),
    receivedTime: timestampFromMs(Date.now() - age),
  });
  return bus.send(topics.messages(id).name, { key: text, value: toBinary(EnvelopeSchema, envelope) });
}

/** The counts of /metrics by bucket, as Prometheus has them added up. */
async function latenciesIn({ latency }: ReturnType<typeof createMetrics>): Promise<number[]> {
  const { values } = await latency.get();
  const upTo = values.filter(({ metricName }) => metricName?.endsWith('_bucket')).map(({ value }) => value);
  return upTo.map((count, i) => count - (upTo[i - 1] ?? 0));
}

test('an executor tells what was delivered, by how long it took, and what failed, by its class', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const refused = new Set<string>();
  endpoint.respond = (response, { body }) => {
    const text = body.toString();
    const isFirst = !refused.has(text);
    refused.add(text);
    const status = text === 'bad' ? 422 : text === 'late' && isFirst ? 503 : 200;
    response.writeHead(status).end();
  };
  const id = await bench.want(endpoint.url, { delivery: { ackStrategy: AckStrategy.RETRY_ALL, retries: 3 } });
  for (let n = 0; n < 20; n++) await send(bench, id, `good ${n}`);
  await send(bench, id, 'old', 100_000);
  await send(bench, id, 'older', 4_000_000);
  await send(bench, id, 'bad');
  await send(bench, id, 'late');
  const began = Date.now();
  const executor = await bench.start();
  const last = () => bench.reportsOf(id, 'statistics').at(-1);
  await waitUntil('all are told', () => last()?.delivered === 23n && last()?.deadLettered === 1n, 30_000);
  const { latencyCounts, failures, startTime, interval, received, released, inFlight, skipped } = last()!;
  assert.deepEqual([received, released, inFlight, skipped], [24n, 0n, 0n, 0n]);
  assert.equal(sumOf(latencyCounts), 23);
  assert.deepEqual(latencyCounts.slice(15), [1n, 0n, 1n], 'up to 300 s, up to an hour, more');
  assert.deepEqual(latencyCounts.map(Number), await latenciesIn(bench.deps.metrics), 'as in /metrics');
  const byClass = failures.map(({ failureClass, count }) => [failureClass, count]);
  assert.deepEqual(byClass.toSorted(), [
    [FailureClass.UNAVAILABLE, 1n],
    [FailureClass.REJECTED, 1n],
  ]);
  assert.ok(timestampMs(startTime!) >= began && timestampMs(startTime!) <= Date.now());
  assert.ok(durationMs(interval!) >= 100 && durationMs(interval!) < 10_000);

  await executor[Symbol.asyncDispose]();
  await bench.start();
  await send(bench, id, 'next');
  await waitUntil('another counting begins', () => last()?.delivered === 1n);
  assert.ok(timestampMs(last()!.startTime!) > timestampMs(startTime!));
  assert.deepEqual(last()!.failures, []);
});

test('what executors deliver, one after the other, is in the history and in the figures of now', async (t) => {
  const system = await controlPlaneForTests(t);
  const { client, statistics } = system;
  const endpoint = await httpEndpoint(t);
  const keys = () => keyRing(TEST_KEY_ID);
  const first = await realExecutor(t, system, 'ie-0', keys);
  const configuration = { case: 'http' as const, value: { restEndpointUrl: endpoint.url } };
  const { id } = (await client.createIntegration({ integration: { ...HTTP, configuration } })).integration!;
  const history = async (integrationIds: string[]) =>
    (await statistics.queryStatistics({ integrationIds })).series[0]!;
  const told = (count: number) =>
    waitUntil(`${count} are told`, async () => sumOf((await history([id])).delivered) === count, 30_000);
  for (let n = 0; n < 5; n++) await send(system, id, `${n}`);
  await told(5);
  const figures = async () => (await statistics.listFigures({ integrationIds: [id] })).figures[0]!;
  await waitUntil('it is idle', async () => (await figures()).deliveredRate === 0);
  const { lag, inFlight, interval, lastDeliveredTime } = await figures();
  assert.deepEqual([lag, inFlight], [0n, 0n]);
  assert.ok(interval && lastDeliveredTime);

  await first[Symbol.asyncDispose]();
  await realExecutor(t, system, 'ie-1', keys);
  for (let n = 5; n < 12; n++) await send(system, id, `${n}`);
  await told(12);
  assert.equal(endpoint.received.length, 12);
  const [one, all] = [await history([id]), await history([])];
  assert.equal(sumOf(one.received) - sumOf(one.released), 12);
  assert.equal(sumOf(one.latency.flatMap(({ counts }) => counts)), 12);
  assert.equal(sumOf(all.delivered), 12);
});
