import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import type { Topics } from '../../src/bus/topics.ts';
import { type KeyRing, openSecrets } from '../../src/contract/sealed-secrets.ts';
import { rotateKeys } from '../../src/control-plane/commands/rotate-keys.ts';
import { republish } from '../../src/control-plane/store/changes.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { findIntegration } from '../../src/control-plane/store/integrations.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { tableContents, topicContents } from '../helpers/at-rest.ts';
import { busForTests } from '../helpers/bus.ts';
import { controlPlaneForTests, executorForTests, HTTP, HTTP_WITH_SECRET } from '../helpers/control-plane.ts';
import { follow } from '../helpers/follow.ts';
import { type HttpEndpoint, httpEndpoint } from '../helpers/http-endpoint.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { PenstockRun } from '../helpers/penstock.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { publish, realExecutor } from '../helpers/real-executor.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { holds, plantedSecrets } from '../helpers/secret-canaries.ts';
import { keyRing, secretKeysText } from '../helpers/secret-keys.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type System = Awaited<ReturnType<typeof controlPlaneForTests>>;

const prefixOf = (topics: Topics) => topics.group('').slice(0, -1);

/** HTTP Basic with this password, to an endpoint. */
const basic = (endpoint: HttpEndpoint, password: string, name = 'to http') => ({
  ...HTTP,
  name,
  configuration: {
    case: 'http' as const,
    value: {
      restEndpointUrl: endpoint.url,
      sendOnlyMsgPayload: true,
      credentials: { credentials: { case: 'basic' as const, value: { username: 'me', password } } },
    },
  },
});

const authorization = (password: string) => `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;

async function statusOf({ client }: System, id: string) {
  const { integration } = await client.getIntegration({ id });
  return integration!.status!;
}

const isActive = async (system: System, id: string) =>
  (await statusOf(system, id)).state === IntegrationState.ACTIVE;

/** As an older version stored it, and sent it down: in clear text. */
async function storeInClearText(t: TestContext, { postgresUrl, topics }: System, id: string, keys: KeyRing) {
  const db = new Database(postgresUrl, testDeps());
  t.after(() => db[Symbol.asyncDispose]());
  const stored = await findIntegration(db, id);
  const { integration } = openSecrets(stored!, keys);
  const config = toBinary(IntegrationSchema, integration);
  await db.query('update integrations set config = $2, sealed = null, secret_keys = null where id = $1', [
    id,
    config,
  ]);
  await republish(db, topics, id);
}

test('no secret of any type lies in clear text in PostgreSQL or on Kafka, whatever is done with it', async (t) => {
  const system = await controlPlaneForTests(t);
  const executor = await executorForTests(t, system);
  const { client, postgresUrl, bus, topics } = system;
  const [created, updated, checked, validated, refused] = [1, 2, 3, 4, 5].map(() => plantedSecrets());
  for (const [i, { path, integration }] of created!.entries()) {
    const { integration: answer } = await client.createIntegration({ integration });
    assert.deepEqual(answer?.setSecrets, [path]);
    const { id } = answer;
    await client.updateIntegration({ integration: { ...updated![i]!.integration, id, name: 'renamed' } });
    await client.updateIntegration({
      integration: { id, enabled: true },
      updateMask: { paths: ['enabled'] },
    });
    await client.restartIntegration({ id });
    await client.disableIntegration({ id });
    await client.checkConnection({ target: { case: 'id', value: id } });
    await client.checkConnection({
      target: { case: 'integration', value: { ...checked![i]!.integration, id: '' } },
    });
    await client.createIntegration({ integration: validated![i]!.integration, validateOnly: true });
    executor.answer = () => ({ violations: [{ field: 'name', description: 'is not liked' }] });
    const creation = client.createIntegration({ integration: refused![i]!.integration });
    assert.equal((await rpcRejection(() => creation)).code, Code.INVALID_ARGUMENT);
    executor.answer = () => ({ reachable: true });
    if (i % 3 === 2) await client.deleteIntegration({ id });
  }
  const opened = executor.asked.map((request) => toBinary(IntegrationSchema, request.integration!));
  const all = [created, updated, checked, validated, refused].flatMap((some) => some!);
  for (const { path, canary } of all) {
    assert.ok(
      opened.some((one) => holds(one, canary)),
      `the executor gets ${path}`,
    );
  }
  const tables = await tableContents(postgresUrl);
  await waitUntil('all is published', async () => !(await tableContents(postgresUrl)).get('outbox')!.length);
  const records = await topicContents(bus, prefixOf(topics));
  for (const [name, bytes] of [...tables, ...records]) {
    const found = all.filter(({ canary }) => holds(bytes, canary)).map(({ path }) => path);
    assert.deepEqual(found, [], name);
  }
  // What is looked through is what it should be.
  for (const type of ['http', 'mqtt', 'kafka']) {
    for (const topic of [topics.downlink(type), topics.validation(type)]) {
      assert.ok(holds(records.get(topic.name)!, 'planted'), topic.name);
    }
  }
  assert.ok(holds(tables.get('integrations')!, 'renamed'));
});

test('without a key nothing with a secret is saved, checked or sent anywhere; all else works', async (t) => {
  const system = await controlPlaneForTests(t, {}, undefined, () => keyRing());
  const executor = await executorForTests(t, system);
  const { client, postgresUrl } = system;
  const calls = [
    () => client.createIntegration({ integration: HTTP_WITH_SECRET }),
    () => client.createIntegration({ integration: HTTP_WITH_SECRET, validateOnly: true }),
    () => client.checkConnection({ target: { case: 'integration', value: HTTP_WITH_SECRET } }),
  ];
  for (const call of calls) {
    const { code, message } = await rpcRejection(call);
    assert.equal(code, Code.FAILED_PRECONDITION);
    assert.match(
      message,
      /http\.credentials\.basic\.password.*PENSTOCK_SECRET_KEYS_FILE.*openssl rand -base64 32/,
    );
    assert.doesNotMatch(message, /hunter2/);
  }
  assert.equal(executor.asked.length, 0);
  const { integration } = await client.createIntegration({ integration: HTTP });
  const { id } = integration!;
  const update = { ...HTTP_WITH_SECRET, id };
  const { code } = await rpcRejection(() => client.updateIntegration({ integration: update }));
  assert.equal(code, Code.FAILED_PRECONDITION);
  await client.disableIntegration({ id });
  for (const [name, bytes] of await tableContents(postgresUrl)) assert.ok(!holds(bytes, 'hunter2'), name);
});

test('with a lost key those that need their secrets again say so, and the others run', async (t) => {
  const kafka = await busForTests(t);
  const postgresUrl = await databaseForTests(t);
  const endpoint = await httpEndpoint(t);
  const before = await controlPlaneForTests(t, { postgresUrl }, kafka, () => keyRing('old'));
  const answering = await executorForTests(t, before);
  const create = async (
    init: Parameters<typeof before.client.createIntegration>[0]['integration'] & object,
  ) => (await before.client.createIntegration({ integration: init })).integration!.id;
  const lost = await create(basic(endpoint, 'first', 'lost'));
  const open = await create({
    ...basic(endpoint, 'x'),
    configuration: { case: 'http', value: { restEndpointUrl: endpoint.url } },
  });
  await before.stop();
  answering.answer = () => undefined; // from now on a real one does

  const keys = () => keyRing('new');
  const system = await controlPlaneForTests(t, { postgresUrl, serviceId: 'cp-2' }, kafka, keys);
  const { client, warnings } = system;
  await realExecutor(t, system, 'ie-0', keys);
  await waitUntil('the other one runs', () => isActive(system, open));
  await waitUntil(
    'the status says so',
    async () => (await statusOf(system, lost)).state === IntegrationState.FAILED,
  );
  const { reason } = await statusOf(system, lost);
  assert.match(
    reason,
    /http\.credentials\.basic\.password: cannot be decrypted, the key "old" of PENSTOCK_SECRET_KEYS_FILE/,
  );
  await waitUntil('the node warns', () => warnings.all().length > 0);
  assert.match(warnings.all().join(), /secrets of 1 integrations .* keys are missing \(old\): "lost"/);
  assert.ok(warnings.all().join().includes(lost));

  const run = await rotate(t, system, 'new');
  assert.equal(run.code, 1, run.output);
  assert.match(
    run.output,
    new RegExp(`integration ${lost}: \\S+password cannot be decrypted, the key "old"`),
  );

  const shown = (await client.getIntegration({ id: lost })).integration!;
  assert.deepEqual(shown.setSecrets, ['http.credentials.basic.password']);
  const { integration: disabled } = await client.disableIntegration({ id: lost });
  assert.deepEqual(disabled?.setSecrets, shown.setSecrets);
  await client.enableIntegration({ id: lost });
  const other = { id: lost, description: 'd' };
  const mask = { paths: ['description'] };
  const kept = await rpcRejection(() => client.updateIntegration({ integration: other, updateMask: mask }));
  assert.equal(kept.code, Code.INVALID_ARGUMENT);
  assert.match(kept.message, /integration\.http\.credentials\.basic\.password: cannot be decrypted/);
  const elsewhere = basic(endpoint, '');
  const { value } = elsewhere.configuration;
  const moved = {
    ...elsewhere,
    id: lost,
    configuration: {
      case: 'http' as const,
      value: {
        ...value,
        restEndpointUrl: 'http://127.0.0.1:1/',
        credentials: { credentials: { case: 'basic' as const, value: { username: 'me' } } },
      },
    },
  };
  const { message } = await rpcRejection(() => client.updateIntegration({ integration: moved }));
  assert.match(message, /must be given again: rest_endpoint_url changed/);

  await client.updateIntegration({ integration: { ...basic(endpoint, 'second', 'lost'), id: lost } });
  await waitUntil('it runs again', () => isActive(system, lost));
  await publish(system, lost, 'm');
  await waitUntil('it delivers', () => endpoint.received.length > 0);
  assert.equal(endpoint.received[0]?.headers.authorization, authorization('second'));
});

test('what an older version stored in clear text works, is warned of, and is encrypted by rotate-keys', async (t) => {
  const keys = () => keyRing('k1');
  const system = await controlPlaneForTests(t, {}, undefined, keys);
  const endpoint = await httpEndpoint(t);
  await realExecutor(t, system, 'ie-0', keys);
  const { client, postgresUrl } = system;
  const { integration } = await client.createIntegration({
    integration: basic(endpoint, 'of an older version'),
  });
  const { id, etag } = integration!;
  await waitUntil('it runs', () => isActive(system, id));
  await storeInClearText(t, system, id, keys());
  assert.ok(holds((await tableContents(postgresUrl)).get('integrations')!, 'of an older version'));
  assert.deepEqual((await client.getIntegration({ id })).integration?.setSecrets, [
    'http.credentials.basic.password',
  ]);
  await using second = await controlPlaneFor(t, system, keys);
  await waitUntil('it is warned of', () => second.warnings.all().length > 0);
  assert.match(second.warnings.all().join(), /1 integrations have secrets in clear text.*rotate-keys/);

  const run = await rotate(t, system, 'k1');
  assert.equal(run.code, 0, run.output);
  assert.match(run.output, /encrypted with the key k1: the secrets of 1 integrations/);
  for (const [name, bytes] of await tableContents(postgresUrl)) {
    assert.ok(!holds(bytes, 'of an older version'), name);
  }
  const last = await lastRecord(system, id);
  assert.deepEqual([last?.sealed.map(({ keyId }) => keyId), last?.integration?.generation], [['k1'], 1n]);
  assert.ok(!holds(toBinary(DownlinkRecordSchema, last!), 'of an older version'));
  const after = (await client.getIntegration({ id })).integration!;
  assert.deepEqual([after.generation, after.etag, after.setSecrets.length], [1n, etag, 1]);
  await publish(system, id, 'm');
  await waitUntil('it delivers', () => endpoint.received.length > 0);
  assert.equal(endpoint.received[0]?.headers.authorization, authorization('of an older version'));
  const again = await rotate(t, system, 'k1');
  assert.match(again.output, /secrets of 0 integrations/);
});

test('keys are rotated under load: nothing fails, nothing is started anew, and the old key is of no use then', async (t) => {
  const rings = { now: keyRing('old') };
  const keys = () => rings.now;
  const system = await controlPlaneForTests(t, {}, undefined, keys);
  const { client, events } = system;
  const endpoint = await httpEndpoint(t);
  const first = await realExecutor(t, system, 'ie-0', keys);
  const ids: string[] = [];
  for (const i of [0, 1, 2, 3, 4, 5]) {
    const { integration } = await client.createIntegration({ integration: basic(endpoint, `password ${i}`) });
    ids.push(integration!.id);
  }
  for (const id of ids) await waitUntil('it runs', () => isActive(system, id));
  const load = { sent: 0, isOver: false };
  const loading = (async () => {
    while (!load.isOver) {
      await Promise.all(ids.map((id, i) => publish(system, id, `${i} ${load.sent}`)));
      load.sent++;
    }
  })();
  await waitUntil('messages flow', () => endpoint.received.length > 50);
  rings.now = keyRing('new', 'old');
  // What is changed meanwhile is changed, and sealed with the new key.
  const [changed = '', ...others] = ids;
  const changes = { count: 0, isOver: false };
  const changing = (async () => {
    while (!changes.isOver) {
      const integration = { id: changed, description: `change ${changes.count}` };
      await client.updateIntegration({ integration, updateMask: { paths: ['description'] } });
      changes.count++;
    }
  })();
  const run = await rotate(t, system, 'new', 'old');
  assert.equal(run.code, 0, run.output);
  changes.isOver = true;
  await changing;
  assert.ok(changes.count > 1);
  const { integration: after } = await client.getIntegration({ id: changed });
  assert.deepEqual(
    [after?.description, after?.generation],
    [`change ${changes.count - 1}`, BigInt(changes.count + 1)],
  );
  assert.match(run.output, /secrets of [56] integrations/);
  assert.match(run.output, /Kafka has all of it/);
  assert.match(run.output, /need old no more/);
  await waitUntil('the last change is published', async () => {
    return (await lastRecord(system, changed))?.integration?.generation === after?.generation;
  });
  for (const id of ids) {
    assert.deepEqual(
      (await lastRecord(system, id))?.sealed.map(({ keyId }) => keyId),
      ['new'],
    );
  }
  rings.now = keyRing('new');
  const during = endpoint.received.length;
  await waitUntil('messages flow on', () => endpoint.received.length > during + 50);
  for (const id of others) {
    const { events: told } = await events.listEvents({ filter: { integrationId: id, kinds: [1] } });
    assert.equal(told.length, 1, 'it was started, and nothing more');
  }
  // Whoever takes over has the new key alone.
  await realExecutor(t, system, 'ie-1', keys);
  await first[Symbol.asyncDispose]();
  await waitUntil('another one delivers', async () => {
    const states = await Promise.all(ids.map((id) => statusOf(system, id)));
    return states.every(({ state, executors }) => state === 3 && executors[0]?.serviceId === 'ie-1');
  });
  load.isOver = true;
  await loading;
  const all = ids.flatMap((_, i) => Array.from({ length: load.sent }, (_, n) => `${i} ${n}`));
  const bodies = () => new Set(endpoint.received.map(({ body }) => body.toString()));
  await waitUntil('all are delivered', () => bodies().size === all.length, 60_000);
  for (const { headers, body } of endpoint.received) {
    assert.equal(headers.authorization, authorization(`password ${body.toString().split(' ')[0]}`));
  }
});

test('rotate-keys says when no control plane publishes, and what it did stays', async (t) => {
  const kafka = await busForTests(t);
  const before = await controlPlaneForTests(t, {}, kafka, () => keyRing('old'));
  await executorForTests(t, before);
  const { postgresUrl } = before;
  const { id } = (await before.client.createIntegration({ integration: HTTP_WITH_SECRET })).integration!;
  await waitUntil('it is published', async () => !(await tableContents(postgresUrl)).get('outbox')!.length);
  await before.stop();

  const settings = readSettings(
    {},
    {
      PENSTOCK_POSTGRES_URL: postgresUrl,
      PENSTOCK_KAFKA_PREFIX: prefixOf(kafka.topics),
      PENSTOCK_SECRET_KEYS: secretKeysText('new', 'old'),
    },
  );
  const { clock, logger } = testDeps();
  let now = 0;
  const sleep = async () => {
    now += 1000;
  };
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const hurried = { ...clock, monotonic: () => now, sleep };
  assert.equal(await rotateKeys(settings, { say, clock: hurried, logger }), false);
  assert.match(lines.join('\n'), /1 records are to be published by a control plane/);
  assert.match(lines.at(-1)!, /not all of it is on Kafka: start a control plane.*keep the old keys/);

  const system = await controlPlaneForTests(t, { postgresUrl, serviceId: 'cp-2' }, kafka, () =>
    keyRing('new'),
  );
  lines.length = 0;
  assert.equal(await rotateKeys(settings, { say, clock, logger }), true);
  assert.deepEqual(lines.slice(0, 2), [
    'encrypted with the key new: the secrets of 0 integrations',
    'Kafka has all of it',
  ]);
  assert.deepEqual(
    (await lastRecord(system, id))?.sealed.map(({ keyId }) => keyId),
    ['new'],
  );
});

/** A second node, which looks at what is stored when it starts. */
async function controlPlaneFor(t: TestContext, { bus, topics, postgresUrl }: System, keys: () => KeyRing) {
  const system = await controlPlaneForTests(t, { postgresUrl, serviceId: 'cp-2' }, { bus, topics }, keys);
  return { ...system, [Symbol.asyncDispose]: () => system.stop() };
}

/** Runs `penstock admin rotate-keys` with these keys. */
async function rotate(t: TestContext, { postgresUrl, topics }: System, ...ids: readonly string[]) {
  const run = new PenstockRun(['admin', 'rotate-keys'], {
    PENSTOCK_POSTGRES_URL: postgresUrl,
    PENSTOCK_KAFKA_PREFIX: prefixOf(topics),
    TB_KAFKA_SERVERS: await kafkaForTests(),
    PENSTOCK_SECRET_KEYS: secretKeysText(...ids),
  });
  t.after(() => run.release());
  return { code: await run.end(), output: run.output };
}

/** What Kafka has last of an integration of type HTTP. */
async function lastRecord({ bus, topics }: System, id: string) {
  let last: Uint8Array | undefined;
  const followed = await follow(bus, [topics.downlink('http').name], ({ key, value }) => {
    if (key === id && value) last = Uint8Array.from(value);
  });
  followed[Symbol.dispose]();
  return last && fromBinary(DownlinkRecordSchema, last);
}
