import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { authenticator } from '../../src/access/access.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import { metricsGate } from '../../src/rpc/metrics-token.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const logger = createLogger('error', systemClock, () => {});
const gate = (token: string, file = '') =>
  metricsGate({ PENSTOCK_METRICS_TOKEN: token, PENSTOCK_METRICS_TOKEN_FILE: file }, logger);

test('the figures take the token where there is one, and nothing else does', async (t) => {
  const { url } = await rpcServerForTests(t, {}, { mayReadMetrics: gate('right') });
  const status = async (path: string, authorization?: string, method = 'GET') => {
    const response = await fetch(url + path, { method, headers: authorization ? { authorization } : {} });
    await response.text();
    return response.status;
  };
  assert.equal(await status('/metrics', 'Bearer right'), 200);
  assert.equal(await status('/metrics', 'bearer  right'), 200);
  assert.equal(await status('/metrics?x', 'Bearer right'), 200);
  for (const wrong of [
    undefined,
    'Bearer',
    'Bearer wrong',
    'Bearer righ',
    'Bearer rightx',
    'Basic right',
    'right',
  ]) {
    assert.equal(await status('/metrics', wrong), 401, wrong);
    assert.equal(await status('/metrics?x', wrong, 'HEAD'), 401, wrong);
  }
  const refused = await fetch(`${url}/metrics`);
  assert.equal(refused.headers.get('www-authenticate'), 'Bearer realm="metrics"');
  const { code, message } = (await refused.json()) as { code: string; message: string };
  assert.equal(code, 'unauthenticated');
  assert.match(message, /send Authorization: Bearer/);
  assert.equal(await status('/health/ready'), 200);
  assert.equal(await status('/openapi.json'), 200);
});

test('without a token of their own, who is let in may read the figures, and nobody else', async (t) => {
  const token = 'x'.repeat(32);
  const ways = { isLoginRequired: true, bootstrapHash: () => hashOfToken(token) };
  const { url } = await rpcServerForTests(t, {}, { authenticate: authenticator(ways, ways) });
  const status = async (path: string, headers = {}) => (await fetch(url + path, { headers })).status;
  assert.deepEqual([await status('/metrics'), await status('/openapi.json')], [401, 401]);
  const authorization = `Bearer ${token}`;
  assert.deepEqual(
    [await status('/metrics', { authorization }), await status('/x', { authorization })],
    [200, 404],
  );
  assert.deepEqual([await status('/x'), await status('/health/ready')], [401, 200]);
});

test('why a node is not ready is told to who is let in, and to others which part is not', async (t) => {
  const token = 'x'.repeat(32);
  const ways = { isLoginRequired: true, bootstrapHash: () => hashOfToken(token) };
  const problems = () => [{ name: 'kafka', reason: 'no answer of 10.1.2.3' }];
  const readiness = { problems, onChange() {} };
  const warnings = { all: () => ['a key is missing'] };
  const options = { authenticate: authenticator(ways, ways), readiness, warnings };
  const { url } = await rpcServerForTests(t, {}, options);
  const ready = async (headers = {}) => (await fetch(`${url}/health/ready`, { headers })).text();
  assert.equal(await ready(), 'not ready\nkafka\n');
  assert.equal(await ready({ authorization: 'Bearer wrong' }), 'not ready\nkafka\n');
  const full = 'not ready\nkafka: no answer of 10.1.2.3\nwarning: a key is missing\n';
  assert.equal(await ready({ authorization: `Bearer ${token}` }), full);
});

test('a token in a file is the one that is in it now', async (t) => {
  const file = join(await temporaryDirectory(t), 'token');
  await writeFile(file, 'first\n');
  const mayRead = gate('', file)!;
  assert.deepEqual([mayRead('Bearer first'), mayRead('Bearer second')], [true, false]);
  await writeFile(file, 'second is longer\n');
  assert.deepEqual([mayRead('Bearer first'), mayRead('Bearer second is longer')], [false, true]);
  await writeFile(file, '');
  assert.deepEqual([mayRead('Bearer '), mayRead('Bearer second is longer')], [false, true]);
});

test('without a token it is not said who may read the figures, and what contradicts itself ends the start', async (t) => {
  assert.equal(gate(''), undefined);
  assert.throws(() => gate('a', 'b'), /PENSTOCK_METRICS_TOKEN and PENSTOCK_METRICS_TOKEN_FILE are both set/);
  const file = join(await temporaryDirectory(t), 'token');
  assert.throws(() => gate('', file), /PENSTOCK_METRICS_TOKEN_FILE/);
  await writeFile(file, '\n');
  assert.throws(() => gate('', file), /there is nothing in it/);
});
