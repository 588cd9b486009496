import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ValidationKind } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction } from '../../gen/penstock/v1/uplink_pb.ts';
import { EXECUTOR, executorBench } from '../helpers/executor.ts';
import { answer, type HttpEndpoint, hang, httpEndpoint } from '../helpers/http-endpoint.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { STARTED, UPDATED, STOPPED } = LifecycleAction;
const { ACTIVE, DISABLED, FAILED, PENDING } = IntegrationState;

const active = (generation: bigint, action: LifecycleAction = STARTED) => ({
  generation,
  action,
  success: true,
  state: ACTIVE,
});
const bodies = ({ received }: HttpEndpoint) => received.map(({ body }) => body.toString());
const gets = (endpoint: HttpEndpoint, count: number) =>
  waitUntil(`the endpoint has ${count} messages`, () => endpoint.received.length >= count);
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `m${from + i}`);

test('what the topics hold at its start is restored: enabled ones deliver, others do not', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const [one, two, off, gone] = await Promise.all([0, 1, 2, 3].map(() => httpEndpoint(t)));
  const first = await bench.want(one!.url);
  const second = await bench.want(two!.url, { generation: 6n });
  await bench.want(two!.url, { id: second, generation: 7n });
  const disabled = await bench.want(off!.url, { enabled: false });
  const deleted = await bench.want(gone!.url);
  await bench.forget(deleted);
  for (const id of [first, second, disabled, deleted]) await bench.publish(id, ['waiting']);
  await bench.start();
  await Promise.all([gets(one!, 1), gets(two!, 1)]);
  assert.deepEqual(await bench.lifecycle(first, 1), active(1n));
  assert.deepEqual(await bench.lifecycle(second, 1), active(7n));
  assert.deepEqual([bodies(one!), bodies(two!)], [['waiting'], ['waiting']]);

  await bench.want(off!.url, { id: disabled, generation: 2n });
  await gets(off!, 1);
  assert.deepEqual(await bench.lifecycle(disabled, 1), active(2n));
  assert.deepEqual(bodies(gone!), []);
  assert.equal(bench.reportsOf(deleted, 'lifecycle').length, 0);
});

test('an executor that starts before the topics are there begins with them', async (t) => {
  const bench = await executorBench(t);
  const endpoint = await httpEndpoint(t);
  const starting = bench.start();
  await bench.createTopics();
  const id = await bench.want(endpoint.url);
  await bench.publish(id, ['hello']);
  await starting;
  await gets(endpoint, 1);
});

test('a start that is given up leaves nothing behind', async (t) => {
  const bench = await executorBench(t);
  const stop = new AbortController();
  const starting = bench.start({}, stop.signal);
  setTimeout(() => stop.abort(new Error('given up')), 300);
  await assert.rejects(starting, /given up/);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const id = await bench.want(endpoint.url);
  await bench.publish(id, ['hello']);
  await bench.start({ serviceId: 'ie-1' });
  await bench.lifecycle(id, 1);
  await gets(endpoint, 1);
  assert.equal(bench.reports[0]?.serviceId, 'ie-1');
});

test('an update moves the stream to the new endpoint, losing and repeating none', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const [before, after] = [await httpEndpoint(t), await httpEndpoint(t)];
  const id = await bench.want(before.url);
  await bench.start();
  await bench.publish(id, numbers(0, 100));
  await gets(before, 20);
  await bench.want(after.url, { id, generation: 2n });
  await bench.publish(id, numbers(100, 200));
  assert.deepEqual(await bench.lifecycle(id, 2), active(2n, UPDATED));
  const sentBefore = before.received.length;
  assert.equal(before.sockets.size, 0);
  await bench.publish(id, numbers(200, 300));
  await waitUntil('all are there', () => before.received.length + after.received.length >= 300);
  assert.equal(before.received.length, sentBefore);
  assert.deepEqual([...bodies(before), ...bodies(after)], numbers(0, 300));
});

test('what is stored beyond the limits of this executor runs within them, and says so', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  endpoint.respond = hang;
  const id = await bench.want(endpoint.url, {
    delivery: { maxInFlight: 100_000 },
  });
  const limits = { ...EXECUTOR.limits, PENSTOCK_LIMIT_IN_FLIGHT: 7, PENSTOCK_LIMIT_CONNECTIONS: 3 };
  await bench.start({ limits });
  assert.deepEqual(await bench.lifecycle(id, 1), active(1n));
  const lowered = 'delivery.max_in_flight is 100000, of which 7 are allowed here (PENSTOCK_LIMIT_IN_FLIGHT)';
  assert.equal(bench.reportsOf(id, 'lifecycle')[0]?.reason, lowered);
  for (const client of numbers(0, 20)) await bench.publish(id, ['x'], client);
  await gets(endpoint, 3);
  await sleep(300);
  assert.equal(endpoint.received.length, 3, 'as many requests as connections');
  await bench.want(endpoint.url, {
    id,
    name: 'another name',
    generation: 2n,
    delivery: { maxInFlight: 100_000 },
  });
  await bench.lifecycle(id, 2);
  assert.match(bench.reportsOf(id, 'lifecycle')[1]?.reason ?? '', /PENSTOCK_LIMIT_IN_FLIGHT/);
});

test('a change that the delivery does not see raises the generation without a stop', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const [endpoint, other] = [await httpEndpoint(t), await httpEndpoint(t)];
  const id = await bench.want(endpoint.url, { generation: 3n });
  await bench.start();
  await bench.publish(id, ['one']);
  await gets(endpoint, 1);
  await bench.want(endpoint.url, { id, generation: 4n, description: 'other words', topicFilters: ['x/#'] });
  assert.deepEqual(await bench.lifecycle(id, 2), active(4n, UPDATED));
  await bench.want(other.url, { id, generation: 4n }); // the same generation again
  await bench.want(other.url, { id, generation: 2n }); // a lower one
  await bench.publish(id, ['two']);
  await gets(endpoint, 2);
  assert.equal(endpoint.opened, 1);

  await bench.want(other.url, { id, generation: 5n });
  assert.deepEqual(await bench.lifecycle(id, 3), active(5n, UPDATED));
  await bench.publish(id, ['three']);
  await gets(other, 1);
  assert.deepEqual([bodies(endpoint), bodies(other)], [['one', 'two'], ['three']]);
  assert.equal(bench.reportsOf(id, 'lifecycle').length, 3);
});

test('disabling stops, and enabling resumes where it stopped', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const id = await bench.want(endpoint.url);
  await bench.start();
  await bench.publish(id, numbers(0, 50));
  await gets(endpoint, 50);
  await bench.want(endpoint.url, { id, generation: 2n, enabled: false });
  const stopped = { generation: 2n, action: STOPPED, success: true, state: DISABLED };
  assert.deepEqual(await bench.lifecycle(id, 2), stopped);
  assert.equal(endpoint.sockets.size, 0);
  await bench.publish(id, numbers(50, 100));
  assert.equal(endpoint.received.length, 50);
  await bench.want(endpoint.url, { id, generation: 3n });
  assert.deepEqual(await bench.lifecycle(id, 3), active(3n));
  await gets(endpoint, 100);
  assert.deepEqual(bodies(endpoint), numbers(0, 100));
});

test('a tombstone stops, and nothing is sent any more', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const [endpoint, other] = [await httpEndpoint(t), await httpEndpoint(t)];
  const id = await bench.want(endpoint.url);
  const stays = await bench.want(other.url);
  await bench.start();
  await bench.publish(id, ['one']);
  await gets(endpoint, 1);
  await bench.forget(id);
  await waitUntil('its connections are closed', () => endpoint.sockets.size === 0);
  await bench.publish(id, ['two']);
  await bench.publish(stays, ['mine']);
  await gets(other, 1);
  assert.deepEqual(bodies(endpoint), ['one']);
});

test('integrations that cannot start are told, and start with what mends them', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const away = await bench.want('', {
    configuration: { case: 'mqtt', value: { host: '127.0.0.1', port: 1 } },
  });
  const broken = await bench.want('http://[');
  const good = await bench.want(endpoint.url);
  await bench.start();
  const failed = { generation: 1n, action: STARTED, success: false, state: FAILED };
  assert.deepEqual(await bench.lifecycle(away, 2), failed); // and tried again
  assert.match(bench.reportsOf(away, 'lifecycle')[0]!.reason, /ECONNREFUSED/);
  assert.deepEqual(await bench.lifecycle(broken, 1), failed);
  assert.match(bench.reportsOf(broken, 'lifecycle')[0]!.reason, /URL/);
  assert.deepEqual(await bench.lifecycle(good, 1), active(1n));
  await bench.publish(broken, ['kept']);
  await bench.want(endpoint.url, { id: broken, generation: 2n });
  await gets(endpoint, 1);
  assert.deepEqual(bodies(endpoint), ['kept']);
  assert.ok(
    bench.reportsOf(broken, 'lifecycle').some(({ generation, success }) => generation === 2n && success),
  );
});

test('a start that failed is taken back when the integration is disabled, deleted or leaves', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const [disabled, deleted, left] = [
    await bench.want('http://['),
    await bench.want('http://['),
    await bench.want('http://['),
  ];
  const executor = await bench.start();
  for (const id of [disabled, deleted, left]) assert.equal((await bench.lifecycle(id, 1)).state, FAILED);
  const stop = (id: string) =>
    bench.reportsOf(id, 'lifecycle').flatMap(({ action, ...more }) => (action === STOPPED ? [more] : []));
  const isTakenBack = (id: string) => waitUntil('it is taken back', () => stop(id).length > 0);
  await bench.want('http://[', { id: disabled, generation: 2n, enabled: false });
  await bench.forget(deleted);
  await Promise.all([isTakenBack(disabled), isTakenBack(deleted)]);
  assert.deepEqual(stop(left), []);
  await executor[Symbol.asyncDispose]();
  await isTakenBack(left);
  assert.deepEqual(
    [disabled, deleted, left].map((id) =>
      stop(id).map(({ generation, state, reason }) => [generation, state, reason]),
    ),
    [
      [[2n, DISABLED, 'disabled']],
      [[1n, PENDING, 'left this executor']],
      [[1n, PENDING, 'left this executor']],
    ],
  );
});

test('without retries of the start, only a change starts it', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const id = await bench.want('http://[');
  await bench.start({ restart: { enabled: false, maxPause: 1 } });
  assert.equal((await bench.lifecycle(id, 1)).success, false);
  await bench.want(endpoint.url, { id, generation: 2n });
  assert.deepEqual(await bench.lifecycle(id, 2), active(2n));
});

test('two executors share the integrations, each message delivered once', { timeout: 120_000 }, async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const configuration = { case: 'http' as const, value: { restEndpointUrl: endpoint.url } };
  const ids = await Promise.all(numbers(0, 12).map((name) => bench.want('', { name, configuration })));
  let published = 0;
  const publish = async (count: number) => {
    await Promise.all(ids.map((id) => bench.publish(id, numbers(published, published + count))));
    published += count;
  };
  const got = () =>
    endpoint.received.map(({ body }) => {
      const { payload, tbmqIeNode, metadata } = JSON.parse(body.toString());
      return { payload, node: tbmqIeNode, id: ids[Number(metadata.integrationName.slice(1))]! };
    });
  const startedOn = (id: string) =>
    bench.reports.findLast((one) => one.integrationId === id && one.report.case === 'lifecycle')?.serviceId;

  const first = await bench.start();
  await publish(20);
  await gets(endpoint, 100);
  await bench.start({ serviceId: 'ie-1' });
  await waitUntil('the second one runs some', () => ids.some((id) => startedOn(id) === 'ie-1'), 30_000);
  await waitUntil(
    'each integration is delivered by the executor that started it last, and by no other',
    async () => {
      await publish(1);
      await gets(endpoint, 12 * published);
      return got()
        .slice(-12)
        .every(({ id, node }) => node === startedOn(id));
    },
    30_000,
  );
  await first[Symbol.asyncDispose]();
  await publish(20);
  await gets(endpoint, 12 * published);
  assert.equal(endpoint.received.length, 12 * published);
  assert.equal(new Set(got().map(({ id, payload }) => `${id} ${payload}`)).size, 12 * published);
});

test('questions about configurations are answered', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  await bench.start();
  const endpoint = await httpEndpoint(t);
  const http = (value: object) => ({
    configuration: { case: 'http' as const, value: { restEndpointUrl: endpoint.url, ...value } },
  });
  const { VALIDATE, CHECK_CONNECTION } = ValidationKind;

  const agreed = await bench.ask(VALIDATE, http({}));
  assert.deepEqual(agreed.violations, []);
  assert.equal(agreed.serviceId, 'ie-0');
  assert.equal(endpoint.opened, 0);

  const fields = async (init: object) =>
    (await bench.ask(VALIDATE, init)).violations.map(({ field, description }) => {
      assert.notEqual(description, '');
      return field;
    });
  assert.deepEqual(await fields(http({ headers: { 'X-A': '1', 'x-a': '2' } })), ['http.headers']);
  assert.deepEqual(await fields(http({ restEndpointUrl: 'http://[' })), ['http.rest_endpoint_url']);
  assert.deepEqual(await fields({ ...http({}), topicFilters: ['a/#/b'] }), ['topic_filters[0]']);
  const mqtt = { host: 'x', websocketPath: '/mqtt' };
  assert.deepEqual(await fields({ configuration: { case: 'mqtt', value: mqtt } }), ['mqtt.websocket_path']);

  assert.equal((await bench.ask(CHECK_CONNECTION, http({}))).reachable, true);
  endpoint.respond = answer(401);
  const denied = await bench.ask(CHECK_CONNECTION, http({}));
  assert.deepEqual([denied.reachable, denied.violations], [false, []]);
  assert.match(denied.message, /401/);
  endpoint.respond = hang; // the answer still comes in the asker's time
  const hanging = await bench.ask(CHECK_CONNECTION, http({}), 3000);
  assert.equal(hanging.reachable, false);
  assert.match(hanging.message, /no answer within 2000 ms/);
});

test('an executor that may not reach its own network refuses integrations that lead there', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const id = await bench.want(endpoint.url); // wanted before that was forbidden
  await bench.publish(id, ['one']);
  await bench.start({ allowsLocalTargets: false });
  const configuration = { case: 'http' as const, value: { restEndpointUrl: endpoint.url } };
  for (const kind of [ValidationKind.VALIDATE, ValidationKind.CHECK_CONNECTION]) {
    const [violation] = (await bench.ask(kind, { configuration })).violations;
    assert.equal(violation?.field, 'http.rest_endpoint_url');
    assert.match(
      violation.description,
      /^refused: 127\.0\.0\.1 is a private address; allow it with INTEGRATIONS_/,
    );
  }
  await waitUntil('the refusal is reported', () =>
    bench.reportsOf(id, 'error').some(({ message }) => message.includes('refused: 127.0.0.1 is a private')),
  );
  assert.equal(endpoint.opened, 0);
});
