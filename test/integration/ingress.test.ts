import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import mqtt from 'mqtt';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { type Envelope, EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import type { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { Topics } from '../../src/bus/topics.ts';
import { startIngress } from '../../src/ingress/ingress.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { type RpcServerOptions, startRpcServer } from '../../src/rpc/server.ts';
import { busForTests } from '../helpers/bus.ts';
import { follow } from '../helpers/follow.ts';
import { LISTENER, publish, pubrel } from '../helpers/mqtt-listener.ts';
import { RawMqttClient } from '../helpers/raw-mqtt-client.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type IntegrationInit = MessageInitShape<typeof IntegrationSchema>;

const HTTP = { case: 'http', value: { restEndpointUrl: 'http://127.0.0.1:9/in' } } as const;

/** What the control plane would write to the downlink topic. */
async function publishIntegration(
  bus: Bus,
  topics: Topics,
  id: string,
  integration: IntegrationInit,
  shard = 0,
) {
  const record = create(DownlinkRecordSchema, {
    integration: { id, name: 'an integration', enabled: true, configuration: HTTP, ...integration },
    shard,
  });
  const key = shard === 0 ? id : `${id}/${shard}`;
  await bus.send(topics.downlink('http').name, { key, value: toBinary(DownlinkRecordSchema, record) });
}

/** Everything in an integration's message topic, as it comes. */
async function messagesOf(t: TestContext, bus: Bus, topics: Topics, id: string) {
  const received: { key: string | null; envelope: Envelope }[] = [];
  const followed = await follow(bus, [topics.messages(id).name], ({ key, value }) => {
    received.push({ key, envelope: fromBinary(EnvelopeSchema, new Uint8Array(value!)) });
  });
  t.after(() => followed[Symbol.dispose]());
  return received;
}

async function start(t: TestContext, bus: Bus, topics: Topics) {
  const deps = testDeps();
  const config = {
    serviceId: 'node-1',
    kafkaPrefix: '',
    mqtt: { ...LISTENER, maxPacketBytes: 1_048_576 },
  };
  let begun: Pick<RpcServerOptions, 'services' | 'webSockets'> = { services: [] };
  const ingress = await startIngress(
    config,
    {
      ...deps,
      bus,
      topics,
      begun(part) {
        begun = part;
      },
    },
    new AbortController().signal,
  );
  t.after(() => ingress[Symbol.asyncDispose]());
  const server = await startRpcServer({
    ...begun,
    host: '127.0.0.1',
    grpcPort: 0,
    httpPort: 0,
    ...deps,
  });
  t.after(() => server[Symbol.asyncDispose]());
  const grpc = createClient(MessageService, server.grpcAddress);
  t.after(() => grpc[Symbol.dispose]());
  const client = await mqtt.connectAsync(`mqtt://${ingress.mqttAddress}`, {
    protocolVersion: 5,
    clientId: 'device-7',
  });
  t.after(() => client.endAsync(true));
  return { client, grpc, metrics: deps.metrics, url: `ws://${server.httpAddress}/mqtt` };
}

test('QoS 2 through a restart: what is stored and not released is known to the next run of the node', {
  timeout: 120_000,
}, async (t) => {
  const { bus, topics } = await busForTests(t);
  const id = randomUUID();
  await bus.createTopics([topics.downlink('http'), topics.messages(id)]);
  await publishIntegration(bus, topics, id, { topicFilters: ['a/#'] });
  const messages = await messagesOf(t, bus, topics, id);
  const run = async (serviceId: string) => {
    const config = { serviceId, kafkaPrefix: '', mqtt: LISTENER };
    const deps = { ...testDeps(), bus, topics, begun() {} };
    return await startIngress(config, deps, new AbortController().signal);
  };
  const kept = { clean: false, clientId: 'device' };
  {
    await using ingress = await run('node/1');
    const client = await RawMqttClient.connected(t, ingress.mqttAddress, 4, kept);
    client.send(publish(1, 2), publish(2, 2), publish(3, 2));
    await client.received(4);
    client.send(pubrel(2));
    await client.received(5);
    client.socket.destroy();
  }
  {
    await using ingress = await run('node/1');
    const client = await RawMqttClient.connected(t, ingress.mqttAddress, 4, kept);
    assert.equal((client.packets[0] as { sessionPresent?: boolean }).sessionPresent, true);
    client.send(publish(1, 2, { dup: true }), publish(3, 2, { dup: true }), publish(2, 2));
    await client.received(4);
    client.send(pubrel(1), pubrel(2), pubrel(3));
    await client.received(7);
  }
  await using ingress = await run('node/1');
  const client = await RawMqttClient.connected(t, ingress.mqttAddress, 4, kept);
  assert.equal((client.packets[0] as { sessionPresent?: boolean }).sessionPresent, false);
  client.send(publish(4, 1));
  await client.received(2);
  await waitUntil('the last one', () => messages.length >= 5);
  assert.deepEqual(
    messages.map(({ envelope }) => Buffer.from(envelope.payload).toString()),
    ['m1', 'm2', 'm3', 'm2', 'm4'],
  );
});

test('from a filter on Kafka to an envelope on Kafka', { timeout: 120_000 }, async (t) => {
  const { bus, topics } = await busForTests(t);
  const [known, deleted, added] = [randomUUID(), randomUUID(), randomUUID()];
  const downlink = topics.downlink('http');
  await bus.createTopics([downlink, topics.messages(known), topics.messages(added)]);
  const order = { key: { case: 'topic', value: {} } } as const;
  await bus.send(downlink.name, { key: randomUUID(), value: new Uint8Array([0xff]) });
  await publishIntegration(bus, topics, known, {
    topicFilters: ['sensors/+/t'],
    delivery: { order },
    generation: 2n,
  });
  await publishIntegration(bus, topics, known, { topicFilters: ['old/#'], generation: 1n });
  await publishIntegration(bus, topics, known, { topicFilters: ['shard/#'], generation: 3n }, 1);
  await publishIntegration(bus, topics, deleted, { topicFilters: ['#'], generation: 1n });
  await bus.send(downlink.name, { key: deleted, value: null });
  const { client, grpc, metrics } = await start(t, bus, topics);
  const received = await messagesOf(t, bus, topics, known);
  const before = Date.now();

  await client.publishAsync('sensors/1/t', 'hot', {
    qos: 1,
    properties: { contentType: 'text/plain', userProperties: { a: ['1', '2'], 'penstock-hops': ['7', '3'] } },
  });
  const answer = await grpc.publishMessage({
    topicName: 'sensors/2/t',
    payload: Buffer.from('cold'),
    username: 'u',
    userProperties: [{ key: 'penstock-hops', value: '5' }],
  });
  assert.equal(answer.matchedIntegrations, 1);
  for (const topicName of ['old/1', 'shard/1', 'other']) {
    const nobody = await grpc.publishMessage({ topicName, clientId: 'x' });
    assert.equal(nobody.matchedIntegrations, 0, topicName);
  }
  await waitUntil('both messages', () => received.length === 2);
  assert.deepEqual(
    received.map(({ key, envelope: { topicName, clientId, username, qos, node } }) => [
      key,
      topicName,
      clientId,
      username,
      qos,
      node,
    ]),
    [
      ['sensors/1/t', 'sensors/1/t', 'device-7', undefined, 1, 'node-1'],
      ['sensors/2/t', 'sensors/2/t', 'grpc', 'u', 0, 'node-1'],
    ],
  );
  const [first, second] = received.map(({ envelope }) => envelope);
  assert.equal(Buffer.from(first!.payload).toString(), 'hot');
  assert.equal(Buffer.from(second!.payload).toString(), 'cold');
  assert.deepEqual([first?.hopCount, second?.hopCount, second?.userProperties], [3, 5, []]);
  assert.equal(first?.contentType, 'text/plain');
  assert.deepEqual(
    first?.userProperties.map(({ key, value }) => [key, value]),
    [
      ['a', '1'],
      ['a', '2'],
    ],
  );
  assert.deepEqual([first?.id.length, second?.id.length], [16, 16]);
  assert.ok(Buffer.compare(first!.id, second!.id) < 0);
  assert.ok(timestampMs(first!.receivedTime!) >= before && timestampMs(first!.receivedTime!) <= Date.now());
  assert.equal((await metrics.undecodable.get()).values[0]?.value, 1);

  await t.test('filters follow the integrations as they change', async () => {
    const other = await messagesOf(t, bus, topics, added);
    const matches = async (topicName: string) =>
      (await grpc.publishMessage({ topicName })).matchedIntegrations;
    await publishIntegration(bus, topics, added, {
      topicFilters: ['sensors/#'],
      enabled: false,
      generation: 1n,
    });
    await waitUntil('the new integration', async () => (await matches('sensors/3/t')) === 2);
    await waitUntil('its message', () =>
      other.some(({ key, envelope }) => key === 'grpc' && envelope.topicName === 'sensors/3/t'),
    );
    await publishIntegration(bus, topics, known, { topicFilters: ['moved/#'], generation: 4n });
    await waitUntil('the changed integration', async () => (await matches('moved')) === 1);
    assert.equal(await matches('sensors/4/t'), 1);
    await bus.send(downlink.name, { key: known, value: null });
    await waitUntil('the deletion', async () => (await matches('moved')) === 0);
  });
});

test('what comes over WebSocket is in Kafka as what comes over TCP', { timeout: 60_000 }, async (t) => {
  const { bus, topics } = await busForTests(t);
  const id = randomUUID();
  await bus.createTopics([topics.downlink('http'), topics.messages(id)]);
  await publishIntegration(bus, topics, id, { topicFilters: ['a/#'] });
  const messages = await messagesOf(t, bus, topics, id);
  const { client, url } = await start(t, bus, topics);
  const other = await mqtt.connectAsync(url, { protocolVersion: 5, clientId: 'page', username: 'someone' });
  t.after(() => other.endAsync(true));
  await client.publishAsync('a/b', 'over TCP', { qos: 1 });
  for (const qos of [1, 2] as const) await other.publishAsync('a/b', `of QoS ${qos}`, { qos });
  await waitUntil('all of them', () => messages.length === 3);
  const read = messages.map(({ envelope: { payload, clientId, username } }) => [
    Buffer.from(payload).toString(),
    clientId,
    username,
  ]);
  assert.deepEqual(read, [
    ['over TCP', 'device-7', undefined],
    ['of QoS 1', 'page', 'someone'],
    ['of QoS 2', 'page', 'someone'],
  ]);
});
