import assert from 'node:assert/strict';
import { test } from 'node:test';
import { executorBench } from '../helpers/executor.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const CLIENTS = Array.from({ length: 10 }, (_, i) => `c${i}`);

test('an integration goes from one executor to three and back while messages flow', {
  timeout: 180_000,
}, async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const { bus, topics } = bench;
  const endpoint = await httpEndpoint(t);
  const configuration = { case: 'http' as const, value: { restEndpointUrl: endpoint.url } };
  const delivery = (maxExecutors: number) => ({ maxExecutors, maxInFlight: 8 });
  const id = await bench.want('', { configuration, delivery: delivery(1) });
  await bus.createTopics([topics.messages(id, 3)]); // as the control plane does before it is raised
  for (const serviceId of ['ie-0', 'ie-1', 'ie-2']) await bench.start({ serviceId });

  let published = 0;
  let isOver = false;
  const flow = (async () => {
    while (!isOver) {
      const payloads = Array.from({ length: 5 }, (_, i) => String(published + i));
      await Promise.all(CLIENTS.map((client) => bench.publish(id, payloads, client)));
      published += 5;
    }
  })();
  const spread = async (maxExecutors: number, generation: bigint, before: number) => {
    const integration = { id, configuration, delivery: delivery(maxExecutors), generation };
    for (let shard = 0; shard < maxExecutors; shard++) await bench.want('', integration, shard);
    for (let shard = maxExecutors; shard < before; shard++) {
      await bus.send(topics.downlink('http').name, { key: `${id}/${shard}`, value: null });
    }
    const running = () =>
      bench.reports.filter(
        (one) => one.integrationId === id && one.generation === generation && one.report.case === 'lifecycle',
      ).length;
    await waitUntil(`${maxExecutors} shares run`, () => running() >= maxExecutors, 90_000);
    const count = endpoint.received.length;
    await waitUntil('messages flow', () => endpoint.received.length > count + 300, 60_000);
  };
  await spread(3, 2n, 1);
  await spread(2, 3n, 3);
  await spread(1, 4n, 2);
  await spread(3, 5n, 1);
  isOver = true;
  await flow;

  const total = CLIENTS.length * published;
  await waitUntil('all have arrived', () => endpoint.received.length >= total, 60_000);
  assert.equal(endpoint.received.length, total, 'each once');
  const next = new Map(CLIENTS.map((client) => [client, 0]));
  for (const { body } of endpoint.received) {
    const { payload, clientId } = JSON.parse(body.toString());
    const expected = next.get(clientId)!;
    const sequence = Number(Buffer.from(payload, 'base64'));
    assert.equal(sequence, expected, `${clientId} keeps its order`);
    next.set(clientId, expected + 1);
  }
});

test('partitions that nobody has told of are delivered from', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const { bus, topics } = bench;
  const endpoint = await httpEndpoint(t);
  const id = await bench.want(endpoint.url);
  await bench.start();
  await bench.lifecycle(id, 1);
  await bus.createTopics([topics.messages(id, 4)]); // the change it is for may fail, or somebody does it by hand
  await waitUntil(
    'Kafka knows them',
    async () => (await bus.partitions(topics.messages(id).name)).length === 4,
  );
  for (const client of CLIENTS) await bench.publish(id, ['x'], client);
  const used = [...(await bus.offsets(topics.messages(id).name)).values()].filter(({ end }) => end > 0);
  assert.ok(used.length > 1, 'messages are in added partitions');
  await waitUntil('all have arrived', () => endpoint.received.length === CLIENTS.length, 30_000);
  await waitUntil('all are committed', async () => {
    const committed = await bus.committed(topics.executors, topics.messages(id).name);
    return [...committed.values()].reduce((sum, { offset }) => sum + offset, 0) === CLIENTS.length;
  });
});
