import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toJson } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { eachOf } from '../helpers/api-faces.ts';
import { oidcProvider } from '../helpers/oidc-provider.ts';
import { OwnKafka } from '../helpers/own-kafka.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';
import { installationForTests, type RoleRun } from '../helpers/roles.ts';
import { plantedSecrets } from '../helpers/secret-canaries.ts';
import { keyOf, TEST_KEY_ID } from '../helpers/secret-keys.ts';
import { serverForTests } from '../helpers/server-for-tests.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { decoded, echoed, echoing } from './kit/echoes.ts';
import { OwnPostgres } from './kit/own-servers.ts';
import { plant, plantToken, secrets } from './kit/planted.ts';
import { type Api, apiOf } from './kit/recorded-api.ts';
import { filesIn, found, type Place } from './kit/searched.ts';

const kafkaServer = serverForTests(async (dataDir) => {
  const kafka = await OwnKafka.start({ dataDir, listeners: {}, users: {} });
  return { dataDir, kafka, [Symbol.asyncDispose]: () => kafka[Symbol.asyncDispose]() };
});
const postgresServer = serverForTests(async (dataDir) => {
  const postgres = await OwnPostgres.start(dataDir);
  return { dataDir, postgres, [Symbol.asyncDispose]: () => postgres[Symbol.asyncDispose]() };
});

/** Where a secret may be, and why. */
const ALLOWED: readonly RegExp[] = [
  // The server of the test itself is told its password by this file.
  /^the password of PostgreSQL in postgres\/password$/,
];

/** What is looked through is what it should be. */
const KNOWN: readonly (readonly [place: RegExp, text: string])[] = [
  [/dead-letters$/, 'the endpoint answered 500'],
  [/ListEvents$/, 'the endpoint answered 500'],
  [/ListRevisions$/, 'basic as it came'],
  [/TryDelivery$/, 'authorization: ***'],
  [/^the output of executor/, '"level":"debug"'],
  [/^data\/.*\.log$/, 'basic as it came'],
  [/^the output of control-plane/, '"level":"debug"'],
  [/\.log$/, 'insert into integrations'],
  [/metrics of executor/, 'penstock_'],
];

const ENVELOPE = { topicName: 'a/b', payload: Buffer.from('{}').toString('base64') };

/** Does to integrations all that can be done to them, with a secret in every field that is one. */
async function handleAll({ call }: Api): Promise<void> {
  const method = (name: string) => `POST /penstock.v1.IntegrationService/${name}`;
  const planted = (when: string) =>
    plantedSecrets().map(({ path, canary, integration }) => {
      secrets.set(`${path}, ${when}`, canary);
      // biome-ignore lint/suspicious/noExplicitAny: JSON of an integration
      return toJson(IntegrationSchema, integration) as any;
    });
  const updated = planted('updated');
  const named = planted('checked');
  const refused = planted('refused');
  for (const [i, integration] of planted('created').entries()) {
    const created = await call(method('CreateIntegration'), {
      integration: { ...integration, enabled: true },
    });
    const { id } = created.integration ?? {};
    await call(method('CreateIntegration'), { integration: { ...integration, id: '' }, validateOnly: true });
    await call(method('CheckConnection'), { integration: { ...named[i], id: '' } });
    await call(method('TryDelivery'), { integration: { ...named[i], id: '' }, envelope: ENVELOPE });
    await call(method('CreateIntegration'), {
      integration: { ...refused[i], id: '', topicFilters: ['a/#/b'] },
    });
    await call(method('CreateIntegration'), { integration: { ...refused[i], unknown: 1 } });
    if (id === undefined) continue; // no private key is what was planted for one
    await call(method('UpdateIntegration'), { integration: { ...updated[i], id } });
    await call(method('CheckConnection'), { id });
    for (const name of ['RestartIntegration', 'DisableIntegration']) await call(method(name), { id });
    if (i % 2 === 0) await call(method('DeleteIntegration'), { id });
  }
}

/** People and programs log in, rightly and wrongly. */
async function logIn({ call }: Api): Promise<void> {
  const at = (method: string) => `POST /penstock.v1.${method}`;
  const user = { name: 'ada', role: 'ROLE_ADMIN', password: plant('a password of a user') };
  await call(at('UserService/CreateUser'), { user });
  const begin = (credential: object) => call(at('AuthService/CreateSession'), credential, {});
  const { headers } = await begin({ password: { name: 'ada', password: user.password } });
  await begin({ password: { name: 'ada', password: plant('a password that is wrong') } });
  await begin({ token: { value: plantToken('a token that is wrong') } });
  await call(
    at('IntegrationService/ListIntegrations'),
    {},
    {
      authorization: `Bearer ${plantToken('a token of nobody')}`,
    },
  );
  const [cookie = ''] = (headers as Headers).getSetCookie()[0]!.split(';');
  const origin = { cookie, 'sec-fetch-site': 'same-origin' };
  const change = { oldPassword: user.password, newPassword: plant('a new password') };
  await call(at('AuthService/ChangePassword'), change, origin);
  const made = await call(at('TokenService/CreateToken'), { token: { name: 'made', role: 'ROLE_ADMIN' } });
  await call(at('TokenService/ListTokens'), {}, { authorization: `Bearer ${made.value}` });
  await begin({ token: { value: made.value } });
  const login = await call('GET /login/oidc', undefined, {});
  const to = new URL(login.headers.get('location'));
  const query = new URLSearchParams({ code: 'x', state: to.searchParams.get('state')!, iss: to.origin });
  const attempt = login.headers.getSetCookie()[0].split(';')[0];
  await call(`GET /login/oidc/callback?${query}`, undefined, { cookie: attempt });
}

test('no secret is told or kept in clear, whatever is done and whatever goes wrong', {
  timeout: 300_000,
}, async (t) => {
  const [kafka, postgres] = await Promise.all([kafkaServer(), postgresServer()]);
  const provider = await oidcProvider(t);
  provider.fault = (path, response) => {
    if (path !== '/token') return false;
    const sent = response.req.headers.authorization ?? '';
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: 'invalid_client', error_description: `${sent} ${decoded(sent)}` }));
    return true;
  };
  const target = await echoing(t);
  const broker = await rawMqttBroker(t);
  broker.onConnect = ({ password = '' }, client) => {
    const reasonString = `${password} ${Buffer.from(password).toString('base64')}`;
    client.send({
      cmd: 'connack',
      sessionPresent: false,
      reasonCode: 0x87,
      returnCode: 5,
      ...(client.version === 5 && { properties: { reasonString } }),
    });
  };
  const postgresUrl = postgres.postgres.url;
  secrets.set('the password of PostgreSQL', new URL(postgresUrl).password);
  await using client = await connectedClient(postgresUrl);
  await client.query('alter system set log_min_duration_statement = 0');
  await client.query('select pg_reload_conf()');
  const { start } = await installationForTests(t, {
    postgresUrl,
    brokersOf: () => kafka.kafka.internal,
  });
  const bootstrap = plantToken('the bootstrap token');
  const metricsToken = plantToken('the token for the figures');
  const env = {
    PENSTOCK_LOG_LEVEL: 'debug',
    PENSTOCK_BOOTSTRAP_TOKEN: bootstrap,
    PENSTOCK_METRICS_TOKEN: metricsToken,
    PENSTOCK_OIDC_ISSUER: provider.issuer,
    PENSTOCK_OIDC_CLIENT_ID: 'penstock',
    PENSTOCK_OIDC_CLIENT_SECRET: plant('the secret of the OIDC client'),
    PENSTOCK_OIDC_ROLES: 'admins=admin',
    INTEGRATION_SECRET_CANARY: plant('a secret of the environment'),
  };
  const nodes = [
    await start('control-plane', 'cp', env),
    ...(await Promise.all([start('ingress', 'in', env), start('executor', 'ie', env)])),
  ];
  const [controlPlane, ingress] = nodes as [RoleRun, RoleRun];
  const key = keyOf(TEST_KEY_ID);
  secrets.set('the key', key.toString('base64')).set('the key in hex', key.toString('hex'));
  const api = apiOf(controlPlane, bootstrap);
  const { call } = api;

  await handleAll(api);
  await logIn(api);
  const ids: string[] = [];
  await eachOf(echoed(target, broker.port), 6, async (integration) => {
    for (const name of ['CheckConnection', 'TryDelivery']) {
      const envelope = name === 'TryDelivery' ? { envelope: ENVELOPE } : {};
      await call(`POST /penstock.v1.IntegrationService/${name}`, { integration, ...envelope });
    }
    const created = await call('POST /api/v1/integrations', integration);
    assert.ok(created.integration, JSON.stringify(created));
    ids.push(created.integration.id);
  });
  const message = { topicName: 'a/b', payload: Buffer.from('{}').toString('base64') };
  const messages = apiOf(ingress, bootstrap);
  await waitUntil('all match', async () => {
    const answer = await messages.call('POST /penstock.v1.MessageService/PublishMessage', message);
    return answer.matchedIntegrations >= ids.length;
  });

  const follow = async (id: string) => {
    await waitUntil('it has failed', async () => {
      const { deadLetters = [] } = await call(`GET /api/v1/integrations/${id}/dead-letters`);
      const { integration } = await call(`GET /api/v1/integrations/${id}`);
      return deadLetters.length > 0 || integration.status.state === 'INTEGRATION_STATE_FAILED';
    });
    await call(`POST /api/v1/integrations/${id}/dead-letters:redrive`, {});
    await call('POST /api/v1/replays', { integrationId: id });
    await call(`POST /api/v1/integrations/${id}:restart`, {});
    await call(`POST /penstock.v1.RevisionService/ListRevisions`, { integrationId: id });
    await call(`POST /penstock.v1.EventService/ListEvents`, { filter: { integrationId: id } });
    await call(`GET /api/v1/integrations/${id}/dead-letters`);
  };
  await eachOf(ids, 6, follow);
  for (const method of ['IntegrationService/ListIntegrations', 'ReplayService/ListReplays']) {
    await call(`POST /penstock.v1.${method}`, { pageSize: 500 });
  }
  for (const method of ['EventService/ListEvents', 'UserService/ListUsers', 'ClusterService/ListNodes']) {
    await call(`POST /penstock.v1.${method}`, {});
  }
  await call('POST /penstock.v1.AuditService/ListAuditRecords', {});

  const pages = nodes.flatMap((node) =>
    ['/metrics', '/health/ready', '/health/live'].map(async (path): Promise<Place> => {
      const headers = { authorization: `Bearer ${metricsToken}` };
      const response = await fetch(`http://${node.address('HTTP')}${path}`, { headers });
      return [`${path} of ${node.roles}`, Buffer.from(await response.text())];
    }),
  );
  const logs = nodes.map((node): Place => [`the output of ${node.roles}`, Buffer.from(node.output)]);
  await client.query('checkpoint');
  const places: readonly Place[] = [
    ...api.answers,
    ...messages.answers,
    ...(await Promise.all(pages)),
    ...logs,
    ...(await filesIn(postgres.dataDir)),
    ...(await filesIn(kafka.dataDir)),
  ];

  for (const what of KNOWN) {
    const there = (name: RegExp, text: string) =>
      places.some(([place, bytes]) => name.test(place) && Buffer.from(bytes).includes(text));
    assert.ok(there(...what), `${what[1]} is in ${what[0]}`);
  }
  const told = found(places, secrets).filter((one) => !ALLOWED.some((allowed) => allowed.test(one)));
  t.diagnostic(`${secrets.size} secrets in ${places.length} places`);
  assert.deepEqual(told, []);
});
