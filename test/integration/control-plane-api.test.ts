import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { type MessageInitShape, toJsonString } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { ValidationKind } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import {
  controlPlaneForTests,
  downlinkForTests,
  executorForTests,
  HTTP,
  HTTP_WITH_SECRET,
} from '../helpers/control-plane.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type Init = MessageInitShape<typeof IntegrationSchema>;

test('the integration API', async (t) => {
  const system = await controlPlaneForTests(t);
  const executor = await executorForTests(t, system);
  const { client, topics, bus } = system;
  const agree = executor.answer;
  const refuse: typeof agree = () => ({
    violations: [{ field: 'http.headers["x"]', description: 'not like this' }],
  });
  const create = async (init: Init = HTTP) => {
    const { integration } = await client.createIntegration({ integration: init });
    return integration!;
  };
  const total = async () => (await client.listIntegrations({})).totalSize;
  t.beforeEach(() => {
    executor.answer = agree;
    executor.asked.length = 0;
  });

  await t.test('an executor agrees: saved, sent down, with a topic for its messages', async (t) => {
    const downlink = await downlinkForTests(t, system);
    const created = await create({ ...HTTP_WITH_SECRET, delivery: { maxExecutors: 2 } });
    assert.equal(created.generation, 1n);
    assert.equal(created.status?.state, IntegrationState.PENDING);
    assert.equal(created.status.reason, 'no running executor serves type http: start one');
    assert.equal((await bus.offsets(topics.messages(created.id).name)).size, 2);

    const [request] = executor.asked;
    assert.equal(request?.kind, ValidationKind.VALIDATE);
    assert.match(toJsonString(IntegrationSchema, request.integration!), /hunter2/);

    await waitUntil('both shards are sent', () => downlink.records.size === 2);
    const [record] = downlink.records.get(`${created.id}/1`)!;
    assert.equal(record?.shard, 1);
    assert.ok(record.publishedTime);
    assert.match(toJsonString(IntegrationSchema, record.integration!), /hunter2/);
    assert.equal(record.integration?.status, undefined);

    const { integration } = await client.getIntegration({ id: created.id });
    assert.deepEqual(integration, created);
  });

  await t.test('an executor refuses: the paths of the request, nothing saved', async () => {
    const created = await create();
    const before = await total();
    executor.answer = refuse;
    for (const call of [
      () => client.createIntegration({ integration: HTTP }),
      () => client.updateIntegration({ integration: { ...created, name: 'other' } }),
    ]) {
      const { code, fields } = await rpcRejection(call);
      assert.equal(code, Code.INVALID_ARGUMENT);
      assert.deepEqual(fields, ['integration.http.headers["x"]']);
    }
    assert.equal(await total(), before);
    assert.deepEqual((await client.getIntegration({ id: created.id })).integration, created);
  });

  await t.test('no executor answers: DEADLINE_EXCEEDED, nothing saved', async () => {
    const created = await create();
    const before = await total();
    executor.answer = () => undefined;
    const rejections = await Promise.all([
      rpcRejection(() => client.createIntegration({ integration: HTTP })),
      rpcRejection(() => client.updateIntegration({ integration: { ...created, name: 'other' } })),
      rpcRejection(() => client.checkConnection({ target: { case: 'id', value: created.id } })),
    ]);
    for (const { code, reason, message } of rejections) {
      assert.equal(code, Code.DEADLINE_EXCEEDED);
      assert.equal(reason, 'NO_EXECUTOR');
      assert.match(message, /start an executor that serves type http/);
    }
    assert.equal(await total(), before);
    assert.deepEqual((await client.getIntegration({ id: created.id })).integration, created);
  });

  await t.test('validate_only checks everything and saves nothing', async () => {
    const created = await create();
    const before = await total();
    executor.asked.length = 0;
    await client.createIntegration({ integration: HTTP, validateOnly: true });
    const changes = { ...created, name: 'other' };
    const updated = await client.updateIntegration({ integration: changes, validateOnly: true });
    assert.equal(updated.integration?.name, 'other');
    assert.equal(executor.asked.length, 2);
    assert.equal(await total(), before);
    assert.equal((await client.getIntegration({ id: created.id })).integration?.name, HTTP.name);
  });

  await t.test('NOT_FOUND for an id that is not known', async () => {
    const id = randomUUID();
    for (const call of [
      () => client.getIntegration({ id }),
      () => client.updateIntegration({ integration: { ...HTTP, id } }),
      () => client.deleteIntegration({ id }),
      () => client.enableIntegration({ id }),
      () => client.disableIntegration({ id }),
      () => client.checkConnection({ target: { case: 'id', value: id } }),
      () => client.checkConnection({ target: { case: 'integration', value: { ...HTTP, id } } }),
    ]) {
      const { code, message } = await rpcRejection(call);
      assert.equal(code, Code.NOT_FOUND);
      assert.match(message, new RegExp(id));
    }
  });

  await t.test('INVALID_ARGUMENT with the path of each wrong field', async () => {
    const { id } = await create();
    const wrong = { ...HTTP, topicFilters: ['a/#/b'] };
    const wrongUrl = { case: 'http' as const, value: { restEndpointUrl: 'ftp://x' } };
    const cases: [() => Promise<unknown>, string][] = [
      [() => client.createIntegration({ integration: wrong }), 'integration.topic_filters[0]'],
      [() => client.updateIntegration({ integration: { ...wrong, id } }), 'integration.topic_filters[0]'],
      [() => client.updateIntegration({ integration: HTTP }), 'integration.id'],
      [() => client.updateIntegration({ integration: { ...HTTP, id: 'x' } }), 'integration.id'],
      [() => client.updateIntegration({}), 'integration.id'],
      [
        () => client.updateIntegration({ integration: { id }, updateMask: { paths: ['generation'] } }),
        'update_mask',
      ],
      [
        () =>
          client.updateIntegration({
            integration: { ...HTTP, id, configuration: { case: 'mqtt', value: { host: 'localhost' } } },
          }),
        'integration.mqtt',
      ],
      [
        () => client.checkConnection({ target: { case: 'integration', value: { configuration: wrongUrl } } }),
        'integration.http.rest_endpoint_url',
      ],
      [() => client.listIntegrations({ pageToken: 'nonsense' }), 'page_token'],
    ];
    for (const [call, field] of cases) {
      const { code, fields } = await rpcRejection(call);
      assert.deepEqual([code, ...fields], [Code.INVALID_ARGUMENT, field]);
    }
    assert.equal(executor.asked.length, 1); // for the creation at the top
  });

  await t.test(
    'what asks for more than the operator allows is refused with the name of the setting',
    async () => {
      const { id } = await create();
      const greedy = { ...HTTP, delivery: { maxInFlight: 100_000 } };
      executor.asked.length = 0;
      for (const call of [
        () => client.createIntegration({ integration: greedy }),
        () => client.updateIntegration({ integration: { ...greedy, id } }),
        () => client.checkConnection({ target: { case: 'integration', value: greedy } }),
      ]) {
        const { code, fields, message } = await rpcRejection(call);
        assert.deepEqual([code, ...fields], [Code.INVALID_ARGUMENT, 'integration.delivery.max_in_flight']);
        assert.match(message, /must be at most 10000, .*PENSTOCK_LIMIT_IN_FLIGHT/);
      }
      assert.deepEqual(executor.asked, []);
    },
  );

  await t.test('an integration that does not fit a record is refused, not saved', async () => {
    const topicFilters = Array.from({ length: 10 }, (_, i) => `${i}/${'x'.repeat(60_000)}`);
    const { code, fields } = await rpcRejection(() =>
      client.createIntegration({ integration: { ...HTTP, topicFilters } }),
    );
    assert.deepEqual([code, ...fields], [Code.INVALID_ARGUMENT, 'integration']);
  });

  await t.test('secrets are in no answer, and stay when they are left out', async () => {
    const created = await create(HTTP_WITH_SECRET);
    const { id } = created;
    const updated = await client.updateIntegration({ integration: { ...created, description: 'd' } });
    const answers = [
      created,
      updated.integration!,
      (await client.getIntegration({ id })).integration!,
      ...(await client.listIntegrations({ pageSize: 1000 })).integrations.filter((one) => one.id === id),
      (await client.disableIntegration({ id })).integration!,
      (await client.enableIntegration({ id })).integration!,
    ];
    assert.equal(answers.length, 6);
    for (const answer of answers) {
      assert.doesNotMatch(toJsonString(IntegrationSchema, answer), /hunter2/);
      assert.deepEqual(answer.setSecrets, ['http.credentials.basic.password']);
    }
    assert.match(toJsonString(IntegrationSchema, executor.asked.at(-1)!.integration!), /hunter2/);
  });

  await t.test('an answer makes a new integration only with the secrets that it names', async () => {
    const answer = await create(HTTP_WITH_SECRET);
    const { totalSize } = await client.listIntegrations({});
    executor.asked.length = 0;
    const unsaved = { ...answer, id: '' };
    for (const call of [
      () => client.createIntegration({ integration: answer }),
      () => client.createIntegration({ integration: answer, validateOnly: true }),
      () => client.checkConnection({ target: { case: 'integration', value: unsaved } }),
    ]) {
      const { code, fields, message } = await rpcRejection(call);
      const path = 'integration.http.credentials.basic.password';
      assert.deepEqual([code, ...fields], [Code.INVALID_ARGUMENT, path]);
      assert.match(message, /must be given: set_secrets names it/);
    }
    assert.equal(executor.asked.length, 0);
    assert.equal((await client.listIntegrations({})).totalSize, totalSize);
    const { setSecrets } = answer;
    const whole = await create({ ...HTTP_WITH_SECRET, setSecrets });
    assert.deepEqual(whole.setSecrets, setSecrets);
    await client.checkConnection({ target: { case: 'integration', value: answer } });
    assert.match(toJsonString(IntegrationSchema, executor.asked.at(-1)!.integration!), /hunter2/);
    await client.updateIntegration({ integration: { ...answer, description: 'd' } });
  });

  await t.test('an update names the secrets that neither it nor the stored integration has', async () => {
    const answer = await create(HTTP_WITH_SECRET);
    const { id } = await create({
      ...HTTP_WITH_SECRET,
      configuration: { case: 'mqtt', value: { host: 'h' } },
    });
    const imported = {
      ...HTTP,
      id,
      name: 'imported',
      configuration: { case: 'mqtt' as const, value: { host: 'h' } },
      setSecrets: ['mqtt.credentials.basic.password'],
    };
    for (const validateOnly of [true, false]) {
      const { code, fields } = await rpcRejection(() =>
        client.updateIntegration({ integration: imported, validateOnly }),
      );
      assert.deepEqual(
        [code, ...fields],
        [Code.INVALID_ARGUMENT, 'integration.mqtt.credentials.basic.password'],
      );
    }
    const target = { case: 'integration' as const, value: { ...imported, setSecrets: answer.setSecrets } };
    const { fields } = await rpcRejection(() => client.checkConnection({ target }));
    assert.deepEqual(fields, ['integration.http.credentials.basic.password']);
  });

  await t.test('a connection check', async (t) => {
    const { id } = await create(HTTP_WITH_SECRET);
    await t.test('of a saved integration has its secrets', async () => {
      const steps = [{ name: 'TCP', ok: true, detail: 'connected' }];
      executor.answer = () => ({ reachable: true, message: '200', serviceId: 'e1', steps, field: 'http' });
      const found = await client.checkConnection({ target: { case: 'id', value: id } });
      assert.deepEqual([found.reachable, found.message, found.serviceId], [true, '200', 'e1']);
      assert.deepEqual(
        [found.steps.map(({ name, ok }) => [name, ok]), found.field],
        [[['TCP', true]], 'http'],
      );
      const request = executor.asked.at(-1);
      assert.equal(request?.kind, ValidationKind.CHECK_CONNECTION);
      assert.match(toJsonString(IntegrationSchema, request.integration!), /hunter2/);
    });
    await t.test('of a draft takes the saved secrets and needs no more than the configuration', async () => {
      const credentials = { credentials: { case: 'basic' as const, value: { username: 'other' } } };
      const value = { restEndpointUrl: 'http://127.0.0.1:9999/other', credentials };
      const draft = { id, configuration: { case: 'http' as const, value } };
      await client.checkConnection({ target: { case: 'integration', value: draft } });
      const text = toJsonString(IntegrationSchema, executor.asked.at(-1)!.integration!);
      assert.match(text, /other/);
      assert.match(text, /hunter2/);
    });
    await t.test('sends no saved secret to where it was not given for', async () => {
      const credentials = { credentials: { case: 'basic' as const, value: { username: 'me' } } };
      const value = { restEndpointUrl: 'http://127.0.0.1:9998/in', credentials };
      const elsewhere = { id, configuration: { case: 'http' as const, value } };
      executor.asked.length = 0;
      const calls = [
        () => client.checkConnection({ target: { case: 'integration', value: elsewhere } }),
        () => client.updateIntegration({ integration: { ...HTTP, ...elsewhere } }),
        () => client.updateIntegration({ integration: { ...HTTP, ...elsewhere }, validateOnly: true }),
        () =>
          client.updateIntegration({
            integration: elsewhere,
            updateMask: { paths: ['http.rest_endpoint_url'] },
          }),
      ];
      for (const call of calls) {
        const { code, fields, message } = await rpcRejection(call);
        const path = 'integration.http.credentials.basic.password';
        assert.deepEqual([code, ...fields], [Code.INVALID_ARGUMENT, path]);
        assert.match(message, /must be given again: rest_endpoint_url changed/);
      }
      assert.deepEqual(executor.asked, []);
    });
    await t.test('of a target that is not reachable is an answer, not an error', async () => {
      executor.answer = () => ({ reachable: false, message: 'connection refused' });
      const target = { case: 'integration' as const, value: { configuration: HTTP.configuration } };
      const found = await client.checkConnection({ target });
      assert.deepEqual([found.reachable, found.message], [false, 'connection refused']);
    });
    await t.test('of a configuration that the executor refuses', async () => {
      executor.answer = refuse;
      const target = { case: 'integration' as const, value: { configuration: HTTP.configuration } };
      const { code, fields } = await rpcRejection(() => client.checkConnection({ target }));
      assert.deepEqual([code, ...fields], [Code.INVALID_ARGUMENT, 'integration.http.headers["x"]']);
      const saved = await client.checkConnection({ target: { case: 'id', value: id } });
      assert.deepEqual(
        [saved.reachable, saved.message],
        [false, 'integration.http.headers["x"]: not like this'],
      );
    });
  });

  await t.test('a delivery that is tried', async (t) => {
    const { id } = await create(HTTP_WITH_SECRET);
    const envelope = { topicName: 'a/b', payload: Buffer.from('x') };
    const target = { case: 'id' as const, value: id };
    await t.test(
      'goes to an executor once, as a message that comes now, with the saved secrets',
      async () => {
        const trial = { delivered: true, sent: 'POST', answer: '200' };
        executor.answer = () => ({ trial, serviceId: 'e1' });
        executor.asked.length = 0;
        const told = await client.tryDelivery({ target, envelope });
        assert.deepEqual(
          [told.delivered, told.sent, told.answer, told.serviceId],
          [true, 'POST', '200', 'e1'],
        );
        const [request, ...more] = executor.asked;
        assert.deepEqual([request?.kind, more], [ValidationKind.TRY_DELIVERY, []]);
        assert.match(toJsonString(IntegrationSchema, request!.integration!), /hunter2/);
        const { topicName, receivedTime, node, id: messageId } = request!.envelope!;
        assert.deepEqual(
          [topicName, receivedTime !== undefined, node, messageId.length],
          ['a/b', true, 'cp', 16],
        );
      },
    );
    await t.test('keeps what the envelope of a dead letter has', async () => {
      const letter = { ...envelope, id: new Uint8Array(16).fill(7), node: 'in-0' };
      await client.tryDelivery({ target, envelope: letter });
      const { node, id: messageId } = executor.asked.at(-1)!.envelope!;
      assert.deepEqual([node, [...messageId]], ['in-0', [...letter.id]]);
    });
    await t.test('sends no saved secret to where it was not given for', async () => {
      const credentials = { credentials: { case: 'basic' as const, value: { username: 'me' } } };
      const value = { restEndpointUrl: 'http://127.0.0.1:9998/in', credentials };
      const elsewhere = { id, configuration: { case: 'http' as const, value } };
      executor.asked.length = 0;
      const { fields, message } = await rpcRejection(() =>
        client.tryDelivery({ target: { case: 'integration', value: elsewhere }, envelope }),
      );
      assert.deepEqual(fields, ['integration.http.credentials.basic.password']);
      assert.match(message, /must be given again/);
      assert.deepEqual(executor.asked, []);
    });
    await t.test('is not asked again of another executor when none answers', async () => {
      executor.answer = () => undefined;
      executor.asked.length = 0;
      const { code } = await rpcRejection(() => client.tryDelivery({ target, envelope }));
      assert.deepEqual([code, executor.asked.length], [Code.DEADLINE_EXCEEDED, 1]);
      executor.answer = () => ({});
    });
    await t.test('wants an envelope that is one', async () => {
      for (const [wrong, field] of [
        [{ topicName: '' }, 'envelope.topic_name'],
        [{ topicName: 'a', qos: 3 }, 'envelope.qos'],
      ] as const) {
        const { code, fields } = await rpcRejection(() => client.tryDelivery({ target, envelope: wrong }));
        assert.deepEqual([code, ...fields], [Code.INVALID_ARGUMENT, field]);
      }
    });
  });

  await t.test('a restart is a change of its own, which executors see', async (t) => {
    const downlink = await downlinkForTests(t, system);
    const { id, restarts } = await create({ ...HTTP, restarts: 7n });
    assert.equal(restarts, 0n, 'the server counts');
    const again = (await client.restartIntegration({ id })).integration!;
    assert.deepEqual([again.restarts, again.generation, again.status?.generation], [1n, 2n, 2n]);
    await client.restartIntegration({ id });
    await waitUntil('executors are told', () => downlink.generations(id).at(-1) === 3);
    assert.equal(downlink.records.get(id)?.at(-1)?.integration?.restarts, 2n);
    const renamed = { integration: { id, name: 'n', restarts: 0n }, updateMask: { paths: ['name'] } };
    assert.equal((await client.updateIntegration(renamed)).integration?.restarts, 2n);

    await client.disableIntegration({ id });
    const refused = await rpcRejection(() => client.restartIntegration({ id }));
    assert.deepEqual([refused.code, refused.reason], [Code.FAILED_PRECONDITION, 'INTEGRATION_DISABLED']);
    assert.match(refused.message, /call EnableIntegration/);
    const unknown = await rpcRejection(() => client.restartIntegration({ id: randomUUID() }));
    assert.equal(unknown.code, Code.NOT_FOUND);
  });
});
