import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { startProcess } from '../../src/process.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { Browser } from '../helpers/browser.ts';
import { serverCertificate } from '../helpers/certificates.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { onEnd } from '../helpers/on-end.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { steadyPorts } from '../helpers/steady-ports.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** What an executor is started with, alone, in a Kafka that nobody else uses. */
async function executorSettings(env: NodeJS.ProcessEnv = {}) {
  const prefix = `t${randomBytes(5).toString('hex')}`;
  const brokers = await kafkaForTests();
  const settings = readSettings({
    TB_KAFKA_SERVERS: brokers,
    TB_SERVICE_ID: 'ie',
    PENSTOCK_KAFKA_PREFIX: prefix,
    PENSTOCK_GRPC_PORT: '0',
    PENSTOCK_HTTP_PORT: '0',
    ...env,
  });
  return { settings, prefix, brokers };
}

const never = new AbortController().signal;

test('a port that is taken ends a start at once, whatever is still restored', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  onEnd(t, () => blocker.close());
  const { port } = blocker.address() as AddressInfo;
  const { settings } = await executorSettings({ PENSTOCK_HTTP_PORT: String(port) });
  // No restoring is given up for its length.
  const setTimer: Clock['setTimer'] = (callback, ms, options) =>
    ms < 60_000 ? systemClock.setTimer(callback, ms, options) : () => {};
  const clock = { ...systemClock, setTimer };
  const starting = startProcess(['executor'], settings, { ...testDeps(), clock }, never);
  await assert.rejects(starting, /PENSTOCK_HTTP_PORT/);
});

test('a node shows the certificate of its settings on both ports', async (t) => {
  const { cert, key, ca } = await serverCertificate(t, 'valid');
  const directory = await temporaryDirectory(t);
  const [certPath, keyPath] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
  await Promise.all([writeFile(certPath, cert), writeFile(keyPath, key)]);
  const tls = { PENSTOCK_TLS_CERT_FILE: certPath, PENSTOCK_TLS_KEY_FILE: keyPath };
  const [httpPort, grpcPort] = await steadyPorts(2);
  const ports = { PENSTOCK_HTTP_PORT: String(httpPort), PENSTOCK_GRPC_PORT: String(grpcPort) };
  const { settings } = await executorSettings({ ...tls, ...ports });
  const ending = new AbortController();
  // Without topics it is not ready, and listens.
  const starting = startProcess(['executor'], settings, testDeps(), ending.signal);
  starting.catch(() => {});
  onEnd(t, async () => {
    ending.abort(new Error('the test ends'));
    await Promise.allSettled([starting]);
  });
  const shows = async (port: number, ALPNProtocols: string[]) => {
    const socket = connect({ host: '127.0.0.1', port, ca, ALPNProtocols });
    const isShown = await once(socket, 'secureConnect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    return isShown;
  };
  await waitUntil('HTTP shows it', () => shows(httpPort!, ['http/1.1']));
  assert.ok(await shows(grpcPort!, ['h2']));
});

test('a node asks for the token of its settings, and lets pages of their origins call', async (t) => {
  const origin = 'https://app.example.com';
  const [httpPort] = await steadyPorts(1);
  const { settings } = await executorSettings({
    PENSTOCK_METRICS_TOKEN: 'right',
    PENSTOCK_HTTP_CORS_ORIGINS: origin,
    PENSTOCK_HTTP_PORT: String(httpPort),
  });
  const ending = new AbortController();
  // Without topics it is not ready, and listens.
  const starting = startProcess(['executor'], settings, testDeps(), ending.signal);
  starting.catch(() => {});
  onEnd(t, async () => {
    ending.abort(new Error('the test ends'));
    await Promise.allSettled([starting]);
  });
  const ask = (path: string, headers = {}) => fetch(`http://127.0.0.1:${httpPort}${path}`, { headers });
  await waitUntil('it listens', async () => (await ask('/health/live').catch(() => undefined))?.ok === true);
  const get = async (headers: Record<string, string>) => {
    const response = await ask('/metrics', headers);
    await response.text();
    return [response.status, response.headers.get('access-control-allow-origin')];
  };
  assert.deepEqual(await get({}), [401, null]);
  assert.deepEqual(await get({ authorization: 'Bearer right' }), [200, null]);
  assert.deepEqual(await get({ authorization: 'Bearer right', origin }), [200, origin]);
  assert.deepEqual(await get({ origin }), [401, origin]);
  assert.deepEqual(await get({ authorization: 'Bearer right', origin: 'https://evil.example' }), [403, null]);
});

test('a node that still restores listens, lives, is not ready and says why; and is ready once it has started', async (t) => {
  const [httpPort] = await steadyPorts(1);
  const deps = testDeps();
  const { settings, prefix, brokers } = await executorSettings({ PENSTOCK_HTTP_PORT: String(httpPort) });
  let hasStarted = false;
  const starting = startProcess(['executor'], settings, deps, never);
  starting.then(
    () => {
      hasStarted = true;
    },
    () => {},
  );
  onEnd(t, async () => (await starting)[Symbol.asyncDispose]());
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${httpPort}/health/${path}`).catch(() => undefined);
    return [response?.status, await response?.text()] as const;
  };
  // Without its topics, which a control plane makes, it has nothing to restore from.
  await waitUntil('it listens', async () => (await ask('live'))[0] === 200);
  const [status, reason] = await ask('ready');
  assert.deepEqual([status, hasStarted], [503, false]);
  assert.match(reason ?? '', /^not ready\nrestore: waiting for its share of the integrations$/m);

  const bus = createKafkaBus(
    { brokers: brokers.split(','), clientId: 'penstock-test', replication: 1 },
    deps,
  );
  onEnd(t, () => bus[Symbol.asyncDispose]());
  const topics = topicsOf(prefix);
  const types = ['http', 'mqtt', 'kafka'] as const;
  await bus.createTopics(types.flatMap((type) => [topics.downlink(type), topics.validation(type)]));
  await starting;
  assert.deepEqual((await ask('ready'))[0], 200);
});

test('a node takes the sessions that it begins, in cookies for TLS alone where the settings say so', async (t) => {
  const token = randomBytes(32).toString('hex');
  const env = { PENSTOCK_BOOTSTRAP_TOKEN: token, PENSTOCK_SESSION_COOKIE_SECURE: 'always' };
  const postgres = { PENSTOCK_POSTGRES_URL: await databaseForTests(t) };
  const { settings } = await executorSettings({ ...env, ...postgres });
  const running = await startProcess(['control-plane'], settings, testDeps(), never);
  onEnd(t, () => running[Symbol.asyncDispose]());
  const page = new Browser(running.httpAddress);
  const { cookies } = await page.call('AuthService/CreateSession', { token: { value: token } });
  assert.match(cookies.join(), /^__Host-penstock_session=[\w-]{43}; .*; Secure$/);
  assert.equal((await page.call('AuthService/GetSelf')).body.self.name, 'bootstrap');
});
