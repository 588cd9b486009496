import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction } from '../../gen/penstock/v1/uplink_pb.ts';
import { executorBench } from '../helpers/executor.ts';
import { toBroker } from '../helpers/mqtt-handler.ts';
import { rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { ACTIVE, FAILED } = IntegrationState;

test('a broker that refuses, or is away, shows as failed with its reason, until it lets in', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const broker = await rawMqttBroker(t);
  broker.connack = { returnCode: 4 };
  const id = await bench.want('', { configuration: toBroker(broker.port) });
  await bench.publish(id, ['one', 'two']);
  await bench.start();
  assert.equal((await bench.lifecycle(id, 1)).state, FAILED);
  const reasons = () => bench.reportsOf(id, 'lifecycle').map(({ reason }) => reason);
  assert.match(reasons()[0]!, /refused the connection: bad user name or password \(code 4\); check/);
  await broker.stop();
  await waitUntil('it is told that it is away', () => reasons().some((one) => one.includes('ECONNREFUSED')));
  broker.connack = {};
  await broker.start();
  await waitUntil('it runs', () => bench.reportsOf(id, 'lifecycle').at(-1)?.state === ACTIVE);
  await waitUntil('everything arrived', () => broker.payloads.length >= 2);
  assert.deepEqual(broker.payloads, ['one', 'two']);
  assert.equal(broker.clients.size, 1);
});

test('the shares of an integration have client ids of their own', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const broker = await rawMqttBroker(t);
  const id = randomUUID();
  const wish = {
    id,
    configuration: toBroker(broker.port, { clientId: 'bridge' }),
    delivery: { maxExecutors: 2 },
  };
  await bench.want('', wish);
  await bench.want('', wish, 1);
  await bench.start();
  await waitUntil('both run', () => bench.reportsOf(id, 'lifecycle').length === 2);
  const ids = [...broker.clients].map(({ connect }) => connect?.clientId);
  assert.deepEqual(ids.toSorted(), ['bridge', 'bridge-1']);
});

test('a message that ends connections is told by its place and topic, and given up when others get through between', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const broker = await rawMqttBroker(t);
  broker.onPublish = (packet, client) =>
    Buffer.from(packet.payload).toString() === 'bad' ? client.socket.end() : client.acknowledge(packet);
  const delivery = {
    ackStrategy: AckStrategy.RETRY_ALL,
    ...{ retries: 0, pauseBetweenRetries: durationFromMs(20), maxPause: durationFromMs(50) },
  };
  const id = await bench.want('', { configuration: toBroker(broker.port), delivery });
  await bench.publish(id, ['bad'], 'c1');
  await bench.start({ progressTimeout: 6000 });
  const { action, state } = await bench.lifecycle(id, 2);
  const reasons = () => bench.reportsOf(id, 'lifecycle').map(({ reason }) => reason);
  assert.deepEqual([action, state], [LifecycleAction.SUSPECTED, ACTIVE]);
  assert.match(
    reasons()[1]!,
    /only message \d+-0 is on it, of topic .*; the broker closed the connection without a reason/s,
  );
  const isBetween = (good: string) => broker.payloads.slice(broker.payloads.indexOf(good)).includes('bad');
  for (const good of ['good', 'better']) {
    await bench.publish(id, [good], 'c2');
    await waitUntil(
      `${good} arrives, and bad once more`,
      () => broker.payloads.includes(good) && isBetween(good),
    );
  }
  const { action: last, state: after } = await bench.lifecycle(id, 3);
  assert.deepEqual([last, after, reasons()[2]], [LifecycleAction.RESUMED, ACTIVE, '']);
  assert.deepEqual(
    broker.payloads.filter((one) => one !== 'bad'),
    ['good', 'better'],
  );
  const errors = () => bench.reportsOf(id, 'error');
  await waitUntil('an event tells that it is given up', () => errors().some((one) => one.givenUp));
  const { failureClass, message } = errors().find((one) => one.givenUp)!;
  assert.equal(failureClass, FailureClass.REJECTED);
  assert.match(message, /with this message alone on it/);
  assert.ok(errors().every(({ topicName }) => topicName === 'a/b'));
});
