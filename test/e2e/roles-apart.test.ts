import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { connectAsync } from 'mqtt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { ClusterService } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { SystemService } from '../../gen/penstock/v1/system_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { onEnd } from '../helpers/on-end.ts';
import { BROKEN_HOSTS, rawRequest } from '../helpers/raw-http.ts';
import { receiver } from '../helpers/receiver.ts';
import { installationForTests, type RoleRun } from '../helpers/roles.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const RETRY_ALL = {
  ackStrategy: 2,
  retries: 0,
  pauseBetweenRetries: { seconds: 0n, nanos: 100_000_000 },
} as const;
const MALFORMED = Buffer.from('ff'.repeat(8), 'hex');
const EMPTY = new Uint8Array();

/** An integration that sends payloads alone, and tries for ever. */
const toHttp = (restEndpointUrl: string, topicFilter: string) => ({
  name: `to ${topicFilter}`,
  enabled: true,
  topicFilters: [topicFilter],
  configuration: { case: 'http' as const, value: { restEndpointUrl, sendOnlyMsgPayload: true } },
  delivery: RETRY_ALL,
});

/** Publishes with a real MQTT client; each payload is acknowledged. */
async function publish(
  ingress: RoleRun,
  topic: string,
  payloads: readonly string[],
  url = `mqtt://${ingress.address('MQTT')}`,
): Promise<void> {
  const client = await connectAsync(url, { protocolVersion: 5 });
  await Promise.all(payloads.map((payload) => client.publishAsync(topic, payload, { qos: 1 })));
  await client.endAsync();
}

const webSocketOf = (ingress: RoleRun) => `ws://${ingress.address('HTTP')}/mqtt`;

/** Waits until a message to this topic would go to so many integrations. */
async function matches(ingress: RoleRun, topicName: string, integrations: number): Promise<void> {
  using messages = createClient(MessageService, ingress.address('gRPC'));
  const payload = Buffer.from('probe');
  await waitUntil(`${integrations} integrations match ${topicName}`, async () => {
    const { matchedIntegrations } = await messages.publishMessage({ topicName, payload });
    return matchedIntegrations === integrations;
  });
}

test('what is published right after an answer is received', async (t) => {
  const { start } = await installationForTests(t);
  const endpoint = await receiver(t);
  const controlPlane = await start('control-plane', 'cp');
  const [one, other] = [await start('ingress', 'in-1'), await start('ingress', 'in-2')];
  await start('executor', 'ie');
  using client = createClient(IntegrationService, controlPlane.address('gRPC'));
  using first = createClient(MessageService, one.address('gRPC'));
  using second = createClient(MessageService, other.address('gRPC'));
  const matched = async (topicName: string) => {
    const request = { topicName, payload: Buffer.from(topicName) };
    const answers = await Promise.all([first, second].map((ingress) => ingress.publishMessage(request)));
    return answers.map(({ matchedIntegrations }) => matchedIntegrations);
  };
  for (let i = 0; i < 5; i++) {
    const { integration } = await client.createIntegration({
      integration: toHttp(endpoint.url, `created/${i}`),
    });
    assert.deepEqual(await matched(`created/${i}`), [1, 1]);
    await client.updateIntegration({
      integration: { id: integration!.id, topicFilters: [`changed/${i}`] },
      updateMask: { paths: ['topic_filters'] },
    });
    assert.deepEqual(await matched(`changed/${i}`), [1, 1]);
  }
  await waitUntil('all has arrived', () => endpoint.received.length === 20, 20_000);
});

test('an executor that hangs is not the only one that is asked about an integration', async (t) => {
  const { start } = await installationForTests(t);
  const controlPlane = await start('control-plane', 'cp', {
    INTEGRATIONS_CHECK_API_REQUEST_TIMEOUT_SEC: '20',
  });
  const hanging = await start('executor', 'ie-1');
  await start('executor', 'ie-2');
  using client = createClient(IntegrationService, controlPlane.address('gRPC'));
  const create = (n: number) =>
    client.createIntegration(
      { integration: toHttp('http://127.0.0.1:9/', `a/${n}`), validateOnly: true },
      { deadline: 9000 }, // before Kafka knows that it is gone
    );
  // Each of them answers some.
  await Promise.all([0, 1, 2, 3, 4, 5].map(create));
  hanging.pause();
  onEnd(t, () => hanging.resume());
  await Promise.all([0, 1, 2, 3, 4, 5].map(create));
});

test('control plane, ingress and executor as processes of their own', async (t) => {
  const { bus, topics, start } = await installationForTests(t);
  const endpoint = await receiver(t);
  /** What arrived, other than probes. */
  const payloads = () =>
    endpoint.received.map(({ body }) => body.toString()).filter((one) => one !== 'probe');
  const controlPlane = await start('control-plane', 'cp');
  const client = createClient(IntegrationService, controlPlane.address('gRPC'));
  onEnd(t, () => client[Symbol.dispose]());
  const create = (integration: Parameters<typeof client.createIntegration>[0]['integration']) =>
    client.createIntegration({ integration });
  const messageTopics = async () =>
    (await bus.listTopics()).filter((name) => name.startsWith(topics.messages('').name));

  await t.test('without an executor nothing is saved', async () => {
    const { code, reason } = await rpcRejection(() => create(toHttp(endpoint.url, 'a/#')));
    assert.equal(code, Code.DEADLINE_EXCEEDED);
    assert.equal(reason, 'NO_EXECUTOR');
    assert.deepEqual((await client.listIntegrations({})).integrations, []);
    assert.deepEqual(await messageTopics(), []);
  });

  let executor = await start('executor', 'ie');
  const ingress = await start('ingress', 'in');

  await t.test('what is wrong is refused with its path, by whoever finds it', async () => {
    const wrong = { ...toHttp('ftp://x', 'a/#/b'), name: '' };
    const byRules = await rpcRejection(() => create(wrong));
    assert.equal(byRules.code, Code.INVALID_ARGUMENT);
    for (const field of ['name', 'topic_filters[0]', 'http.rest_endpoint_url']) {
      assert.ok(byRules.fields.includes(`integration.${field}`), field);
    }
    const pem = { cert: 'no certificate', privateKey: 'no key' };
    const unreadable = toHttp('https://127.0.0.1:1/', 'a/#');
    const credentials = { credentials: { case: 'pem' as const, value: pem } };
    const value = { ...unreadable.configuration.value, credentials };
    const byExecutor = await rpcRejection(() =>
      create({ ...unreadable, configuration: { case: 'http', value } }),
    );
    assert.equal(byExecutor.code, Code.INVALID_ARGUMENT);
    assert.deepEqual(byExecutor.fields, ['integration.http.credentials.pem']);
    assert.deepEqual((await client.listIntegrations({})).integrations, []);
  });

  await t.test('a request with a broken host is refused by every role, and ends none', async () => {
    const path = {
      'control-plane': 'IntegrationService/ListIntegrations',
      ingress: 'MessageService/PublishMessage',
      executor: 'NoService/NoMethod',
    };
    for (const run of [controlPlane, ingress, executor]) {
      for (const [version, ...lines] of BROKEN_HOSTS) {
        const head = [`POST /penstock.v1.${path[run.roles as keyof typeof path]} ${version}`, ...lines];
        const answer = await rawRequest(
          run.address('HTTP'),
          [...head, 'content-type: application/json'],
          '{}',
        );
        assert.match(answer, /^HTTP\/1\.1 400 /, JSON.stringify([run.roles, version, ...lines]));
      }
      assert.ok(run.isRunning, run.output);
    }
  });

  await t.test('an unknown id is not found', async () => {
    const id = randomUUID();
    const calls = {
      getIntegration: () => client.getIntegration({ id }),
      updateIntegration: () =>
        client.updateIntegration({
          integration: { id, ...toHttp(endpoint.url, 'a/#') },
          updateMask: { paths: ['name'] },
        }),
      deleteIntegration: () => client.deleteIntegration({ id }),
      enableIntegration: () => client.enableIntegration({ id }),
      disableIntegration: () => client.disableIntegration({ id }),
      restartIntegration: () => client.restartIntegration({ id }),
      checkConnection: () => client.checkConnection({ target: { case: 'id', value: id } }),
      tryDelivery: () =>
        client.tryDelivery({ target: { case: 'id', value: id }, envelope: { topicName: 'a/1' } }),
    };
    for (const [name, call] of Object.entries(calls)) {
      const { code, message } = await rpcRejection(call);
      assert.equal(code, Code.NOT_FOUND, name);
      assert.ok(message.includes(id), `${name}: ${message}`);
    }
    const withoutId = ['createIntegration', 'listIntegrations', 'watchIntegrations'];
    assert.deepEqual(
      IntegrationService.methods.map(({ localName }) => localName).toSorted(),
      [...Object.keys(calls), ...withoutId].toSorted(),
    );
  });

  const { integration } = await create(toHttp(endpoint.url, 'a/#'));
  const { id } = integration!;
  await matches(ingress, 'a/b', 1);

  await t.test('malformed records are counted and stepped over, everything goes on', async () => {
    // Not protobuf; against the schema's rules; nothing at all, which on a downlink topic would be a deletion.
    const [compacted, others] = [
      [MALFORMED, EMPTY],
      [MALFORMED, EMPTY, null],
    ];
    const sent = [
      { topic: topics.downlink('http'), values: compacted, readers: [executor, ingress] },
      { topic: topics.downlink('mqtt'), values: compacted, readers: [ingress] },
      { topic: topics.validation('http'), values: others, readers: [executor] },
      { topic: topics.uplink, values: others, readers: [controlPlane] },
      { topic: topics.notifications('cp'), values: others, readers: [controlPlane] },
      { topic: topics.messages(id), values: others, readers: [executor] },
    ];
    for (const { topic, values } of sent) {
      for (const value of values) await bus.send(topic.name, { key: id, value });
    }
    for (const { topic, values, readers } of sent) {
      const label = `topic="${topic.name}"`;
      for (const run of readers) {
        const counted = () => run.metric('penstock_undecodable_records_total', label);
        await waitUntil(
          `${run.roles} counts on ${topic.name}`,
          async () => (await counted()) >= values.length,
        );
        assert.equal(await counted(), values.length);
      }
    }
    await create(toHttp(endpoint.url, 'after/#'));
    await matches(ingress, 'after/1', 1);
    await publish(ingress, 'after/1', ['after']);
    await publish(ingress, 'a/1', ['before']);
    await waitUntil('both arrived', () => payloads().length === 2);
    assert.deepEqual(payloads().toSorted(), ['after', 'before']);
    await client.disableIntegration({ id });
    await client.enableIntegration({ id });
  });

  await t.test('what is published while no executor runs arrives when one is back', async () => {
    endpoint.received.length = 0;
    assert.equal(await executor.stop('SIGTERM'), 0, executor.output);
    const numbers = Array.from({ length: 200 }, (_, n) => String(n));
    await publish(ingress, 'a/1', numbers);
    assert.deepEqual(payloads(), []);
    executor = await start('executor', 'ie-again');
    await waitUntil('all arrived', () => payloads().length >= numbers.length, 30_000);
    assert.deepEqual(payloads(), numbers, 'each once, in order');
  });

  await t.test('a deleted integration sends nothing any more, and its topics go', async () => {
    const deleted = await receiver(t);
    deleted.state.status = 503;
    const { integration: doomed } = await create(toHttp(deleted.url, 'a/#'));
    await matches(ingress, 'a/1', 2);
    await publish(ingress, 'a/1', ['1', '2', '3']);
    await waitUntil('it is tried', () => deleted.received.length > 0);
    await client.deleteIntegration({ id: doomed!.id });
    await matches(ingress, 'a/1', 1);
    const messages = topics.messages(doomed!.id).name;
    await waitUntil('its topic is gone', async () => !(await messageTopics()).includes(messages), 30_000);
    const before = deleted.received.length;
    deleted.state.status = 200;
    endpoint.received.length = 0;
    await publish(ingress, 'a/1', ['last']);
    await waitUntil('the other one sends', () => payloads().length === 1);
    assert.equal(deleted.received.length, before);
    assert.equal((await rpcRejection(() => client.getIntegration({ id: doomed!.id }))).code, Code.NOT_FOUND);
  });

  await t.test('delivery goes on without a control plane', async () => {
    endpoint.received.length = 0;
    assert.equal(await controlPlane.stop('SIGTERM'), 0, controlPlane.output);
    await publish(ingress, 'a/1', ['alone'], webSocketOf(ingress));
    await waitUntil('it arrived', () => payloads().length === 1);
  });

  for (const run of [ingress, executor]) assert.equal(await run.stop('SIGTERM'), 0, run.output);
});

test('penstock start runs the roles of TB_SERVICE_TYPE', async (t) => {
  const { start } = await installationForTests(t);
  const endpoint = await receiver(t);
  const [broker, executor] = await Promise.all([
    start('start', 'tbmq', { TB_SERVICE_TYPE: 'tbmq' }),
    start('start', 'ie', { TB_SERVICE_TYPE: 'tbmq-integration-executor' }),
  ]);
  assert.equal(broker.roles, 'control-plane,ingress');
  assert.equal(executor.roles, 'executor');
  using client = createClient(IntegrationService, broker.address('gRPC'));
  await client.createIntegration({ integration: toHttp(endpoint.url, 'a/#') });
  await matches(broker, 'a/1', 1);
  await publish(broker, 'a/1', ['hello'], webSocketOf(broker));
  await waitUntil('it arrived', () => endpoint.received.some(({ body }) => body.toString() === 'hello'));
  using systems = createClient(SystemService, broker.address('gRPC'));
  const system = async () => (await systems.getSystem({})).system!;
  const knows = async () => (await system()).mqttWebsocketUrls[0] === webSocketOf(broker);
  await waitUntil('where MQTT is taken over WebSocket', knows);
  assert.ok((await system()).mqttWebsocketHere);
  using cluster = createClient(ClusterService, broker.address('gRPC'));
  const nodes = async () => (await cluster.listNodes({})).nodes;
  await waitUntil('what was taken in', async () =>
    (await nodes()).some(({ figures }) => figures!.takenIn > 0n),
  );
  const [delivers, takesIn] = await nodes();
  assert.deepEqual([delivers?.serviceId, takesIn?.serviceId], ['ie', 'tbmq']);
  assert.deepEqual([delivers?.deliveryDefaults?.retries, takesIn?.deliveryDefaults], [5, undefined]);
  assert.deepEqual([delivers?.mqttWebsocketUrl, takesIn?.mqttWebsocketUrl], ['', webSocketOf(broker)]);
  for (const { figures } of [delivers!, takesIn!]) {
    assert.ok(figures!.cpuSeconds > 0 && figures!.rssBytes > 10_000_000n && figures!.eventLoopDelay);
  }
  for (const run of [broker, executor]) assert.equal(await run.stop(), 0, run.output);
});
