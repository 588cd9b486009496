import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { TokenService } from '../../gen/penstock/v1/token_service_pb.ts';
import { UserService } from '../../gen/penstock/v1/user_service_pb.ts';
import { startProcess } from '../../src/process.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { Browser } from './browser.ts';
import { kafkaForTests } from './kafka.ts';
import { CLIENT_ID, CLIENT_SECRET, oidcProvider } from './oidc-provider.ts';
import { onEnd } from './on-end.ts';
import { databaseForTests } from './postgres.ts';
import { connectedClient } from './postgres-client.ts';
import { secretKeysText, TEST_KEY_ID } from './secret-keys.ts';
import { testDeps } from './test-deps.ts';
import { waitUntil } from './wait-until.ts';

export const BOOTSTRAP = randomBytes(32).toString('hex');
export const METRICS_TOKEN = randomBytes(16).toString('hex');
export const PASSWORD = 'correct horse battery';

/** Servers and a provider for nodes that ask for a login. */
export async function securedInstallation(t: TestContext) {
  const provider = await oidcProvider(t);
  // Its key is none of the provider's when a node first asks for them.
  const withdrawn = await provider.token();
  await provider.rotate();
  const postgresUrl = await databaseForTests(t);
  const shared = {
    TB_KAFKA_SERVERS: await kafkaForTests(),
    PENSTOCK_KAFKA_PREFIX: `t${randomBytes(5).toString('hex')}`,
    PENSTOCK_POSTGRES_URL: postgresUrl,
    PENSTOCK_SECRET_KEYS: secretKeysText(TEST_KEY_ID),
    PENSTOCK_BOOTSTRAP_TOKEN: BOOTSTRAP,
    PENSTOCK_OIDC_ISSUER: provider.issuer,
    PENSTOCK_OIDC_CLIENT_ID: CLIENT_ID,
    PENSTOCK_OIDC_CLIENT_SECRET: CLIENT_SECRET,
    PENSTOCK_OIDC_ROLES: 'admins=admin',
    PENSTOCK_GRPC_PORT: '0',
    PENSTOCK_HTTP_PORT: '0',
    PENSTOCK_MQTT_PORT: '0',
  };
  /** All roles; stopped after the test. */
  const start = async (env: NodeJS.ProcessEnv = {}) => {
    const settings = readSettings({}, { ...shared, ...env });
    const { signal } = new AbortController();
    const node = await startProcess(['control-plane', 'ingress', 'executor'], settings, testDeps(), signal);
    onEnd(t, () => node[Symbol.asyncDispose]());
    return node;
  };
  return { provider, withdrawn, postgresUrl, start };
}

interface Node {
  readonly grpcAddress: string;
  readonly httpAddress: string;
}

/** What lets callers in at a node, and what did once. */
export async function credentialsAt(t: TestContext, { grpcAddress, httpAddress }: Node, postgresUrl: string) {
  const asAdmin = { token: BOOTSTRAP };
  const tokens = createClient(TokenService, grpcAddress);
  const users = createClient(UserService, grpcAddress);
  const integrations = createClient(IntegrationService, grpcAddress);
  onEnd(t, () => [tokens, users, integrations].forEach((client) => void client[Symbol.dispose]()));
  const tokenOf = async (name: string, role: Role, more: object = {}) => {
    const { token, value } = await tokens.createToken({ token: { name, role, ...more } }, asAdmin);
    return { id: token!.id, value };
  };
  const page = () => new Browser(httpAddress);
  const sessionOf = async (name: string, role = Role.ADMIN) => {
    await users.createUser({ user: { name, role, password: PASSWORD } }, asAdmin);
    const browser = page();
    await browser.logIn(name, PASSWORD);
    if (browser.cookie === undefined) throw new Error(`${name} was not logged in`);
    return browser;
  };
  const configuration = { case: 'http' as const, value: { restEndpointUrl: 'http://127.0.0.1:9/in' } };
  const kept = { name: 'kept', topicFilters: ['a/#'], configuration };
  const { integration } = await integrations.createIntegration({ integration: kept }, asAdmin);

  const admin = await tokenOf('admin', Role.ADMIN);
  const revoked = await tokenOf('revoked', Role.ADMIN);
  await tokens.revokeToken({ id: revoked.id }, asAdmin);
  const soon = timestampFromMs(Date.now() + 1000);
  const expired = await tokenOf('expired', Role.ADMIN, { expireTime: soon });
  const sessions = {
    good: await sessionOf('good'),
    loggedOut: await sessionOf('logged-out'),
    disabled: await sessionOf('disabled'),
    deleted: await sessionOf('deleted'),
    otherPassword: await sessionOf('other-password'),
    late: await sessionOf('late'),
  };
  await sessions.loggedOut.call('AuthService/DeleteSession');
  await users.updateUser(
    { user: { name: 'disabled', disabled: true }, updateMask: { paths: ['disabled'] } },
    asAdmin,
  );
  await users.deleteUser({ name: 'deleted' }, asAdmin);
  const changed = { name: 'other-password', password: `${PASSWORD} 2` };
  await users.updateUser({ user: changed, updateMask: { paths: ['password'] } }, asAdmin);
  await using client = await connectedClient(postgresUrl);
  await client.query("update sessions set expire_time = now() - interval '1 s' where user_name = 'late'");
  await waitUntil('its time is over', () =>
    integrations.listIntegrations({}, { token: expired.value }).then(
      () => false,
      () => true,
    ),
  );
  return { admin, revoked, expired, sessions, tokenOf, integrationId: integration!.id };
}
