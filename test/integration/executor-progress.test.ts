import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import { startExecutor } from '../../src/executor/executor.ts';
import { EXECUTOR, type ExecutorBench, executorBench } from '../helpers/executor.ts';
import { answer, type HttpEndpoint, hang, httpEndpoint } from '../helpers/http-endpoint.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { STARTED, STOPPED, RESTARTED, RESUMED, STALLED } = LifecycleAction;
const { ACTIVE, FAILED } = IntegrationState;

const bodies = ({ received }: HttpEndpoint) => received.map(({ body }) => body.toString());
const numbers = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);
const actions = (bench: ExecutorBench, id: string) =>
  bench.reportsOf(id, 'lifecycle').map(({ action, state }) => [action, state]);

test('an integration that makes no progress fails with the reason, disturbs no other, and recovers', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const [poisoned, healthy, quiet] = await Promise.all([0, 1, 2].map(() => httpEndpoint(t)));
  poisoned!.respond = hang;
  const delivery = { ackStrategy: AckStrategy.RETRY_ALL, retries: 0 };
  const stuck = await bench.want(poisoned!.url, { delivery });
  const fine = await bench.want(healthy!.url, { delivery });
  const idle = await bench.want(quiet!.url, { delivery });
  const policy = { ...EXECUTOR.policy, packProcessingTimeout: 300 };
  await bench.start({ progressTimeout: 1500, policy });
  await bench.publish(stuck, numbers(200));
  const feeding = { isOver: false, count: 0 };
  const feed = (async () => {
    for (; !feeding.isOver; feeding.count++) {
      await bench.publish(fine, [`m${feeding.count}`]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();

  await bench.lifecycle(stuck, 2);
  const [, stalled] = bench.reportsOf(stuck, 'lifecycle');
  assert.deepEqual([stalled!.action, stalled!.state, stalled!.success], [STALLED, FAILED, false]);
  assert.match(
    stalled!.reason,
    /^no message was acknowledged since \S+Z; 200 wait; last error: no answer within 300 ms$/,
  );

  poisoned!.respond = answer(200);
  await waitUntil('all of the poisoned arrived', () => new Set(bodies(poisoned!)).size === 200, 30_000);
  await bench.lifecycle(stuck, 3);
  feeding.isOver = true;
  await feed;
  await waitUntil('all of the healthy arrived', () => healthy!.received.length >= feeding.count);
  assert.deepEqual(actions(bench, stuck), [
    [STARTED, ACTIVE],
    [STALLED, FAILED],
    [RESUMED, ACTIVE],
  ]);
  assert.deepEqual(bodies(healthy!), numbers(feeding.count), 'each once, in order');
  for (const id of [fine, idle]) assert.deepEqual(actions(bench, id), [[STARTED, ACTIVE]]);
});

/** A Kafka that feeds no messages: the first `count` message topics get nothing. */
function silentAtFirst(bus: Bus, count: number): Bus {
  let left = count;
  return {
    ...bus,
    feed(options) {
      const { topic, partition, from } = options;
      if (!topic.includes('.msg.ie.') || left-- <= 0) return bus.feed(options);
      return {
        resume() {},
        backlog: async () => ((await bus.offsets(topic)).get(partition)?.end ?? 0) - from,
        [Symbol.dispose]() {},
      };
    },
  };
}

test('an integration to which no messages come any more is started anew, and says so', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const id = await bench.want(endpoint.url);
  const { topics, deps } = bench;
  const bus = silentAtFirst(bench.bus, 1);
  const config = { ...EXECUTOR, progressTimeout: 1000 };
  bench.stack.use(await startExecutor(config, { ...deps, bus, topics }, new AbortController().signal));
  await bench.lifecycle(id, 1);
  await bench.publish(id, ['one', 'two']);
  await waitUntil('they arrive', () => endpoint.received.length === 2, 30_000);
  await bench.lifecycle(id, 3);
  assert.deepEqual(actions(bench, id), [
    [STARTED, ACTIVE],
    [STALLED, FAILED],
    [RESTARTED, ACTIVE],
  ]);
  assert.match(bench.reportsOf(id, 'lifecycle')[2]!.reason, /^2 messages wait in Kafka and none comes/);
  assert.deepEqual(bodies(endpoint), ['one', 'two']);
});

test('a restart without a change stops and starts, loses nothing, and forgets what waited here', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  endpoint.respond = answer(503);
  const delivery = {
    ackStrategy: AckStrategy.RETRY_ALL,
    retries: 0,
    pauseBetweenRetries: { seconds: 3600n },
    maxPause: { seconds: 3600n },
  };
  const id = await bench.want(endpoint.url, { delivery });
  await bench.start();
  await bench.publish(id, ['one', 'two']);
  await waitUntil('it is tried', () => endpoint.received.length > 0);
  endpoint.respond = answer(200);
  endpoint.received.length = 0; // and is to be tried again in an hour
  await bench.want(endpoint.url, { id, delivery, generation: 2n, restarts: 1n });
  const restarted = { generation: 2n, action: RESTARTED, success: true, state: ACTIVE };
  assert.deepEqual(await bench.lifecycle(id, 2), restarted);
  await waitUntil('both arrive', () => endpoint.received.length === 2);
  assert.deepEqual(bodies(endpoint), ['one', 'two']);
});

test('a disabled integration does not fail, whatever waits for it', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  endpoint.respond = hang;
  const id = await bench.want(endpoint.url, { delivery: { ackStrategy: AckStrategy.RETRY_ALL } });
  const policy = { ...EXECUTOR.policy, packProcessingTimeout: 300 };
  await bench.start({ progressTimeout: 1000, policy });
  await bench.publish(id, ['one']);
  await waitUntil('it is tried', () => endpoint.received.length > 0);
  await bench.want(endpoint.url, { id, generation: 2n, enabled: false });
  await waitUntil('it stops', () => actions(bench, id).some(([action]) => action === STOPPED), 30_000);
  const before = actions(bench, id).length;
  await bench.publish(id, ['two']);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  assert.equal(actions(bench, id).length, before);
});
