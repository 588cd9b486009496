import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { WebUi } from '../../src/rpc/web-ui.ts';

const INDEX = '<!doctype html><title>Penstock</title>';
const SCRIPT = `console.log(${JSON.stringify('x'.repeat(500))});`;

/** A small build, served: paths answer as `fetch` says. */
async function served(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'penstock-web-'));
  t.after(() => rm(directory, { recursive: true }));
  await mkdir(join(directory, 'assets'));
  const files: Record<string, string | Buffer> = {
    'index.html': INDEX,
    'assets/a-1234.js': SCRIPT,
    'assets/a-1234.js.br': brotliCompressSync(SCRIPT),
    'assets/a-1234.js.gz': gzipSync(SCRIPT),
    'secret.key': 'never',
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  const ui = new WebUi(pathToFileURL(`${directory}/`));
  const server = createServer((request, response) => {
    const isServed = ui.serves(request);
    assert.equal(ui.send(request, response), isServed);
    if (!isServed) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`http://127.0.0.1:${port}${path}`, { method, headers });
}

const HTML = { accept: 'text/html,application/xhtml+xml' };

test('every path that a browser opens is the page, under a policy that lets nothing else in', async (t) => {
  const get = await served(t);
  for (const path of ['/', '/integrations/1?q=a', '/anything/else', '/login']) {
    const answer = await get(path, HTML);
    assert.equal(answer.status, 200, path);
    assert.equal(await answer.text(), INDEX);
    assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(answer.headers.get('cache-control'), 'no-cache');
    const policy = answer.headers.get('content-security-policy') ?? '';
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"])
      assert.ok(policy.includes(part), part);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  }
  assert.equal((await get('/')).status, 200, 'also for who asks for anything');
});

test('what is not of the UI is left to others', async (t) => {
  const get = await served(t);
  const paths = [
    '/penstock.v1.IntegrationService/ListIntegrations',
    '/grpc.health.v1.Health/Check',
    '/api/v1/integrations',
    '/metrics',
    '/health/ready',
    '/openapi.json',
    '/login/oidc',
    '/mqtt',
    '/assets/gone-1.js',
    '/assets/a-1234.js.br',
    '/assets/..%2fsecret.key',
  ];
  for (const path of paths) assert.equal((await get(path, HTML)).status, 404, path);
  assert.equal(await (await get('/secret.key', HTML)).text(), INDEX);
  assert.equal((await get('/secret.key')).status, 404, 'a program that asks for something gets no page');
  assert.equal((await get('/integrations', HTML, 'POST')).status, 404);
});

test('files that carry a hash are kept for ever, compressed as the browser takes them', async (t) => {
  const get = await served(t);
  const encodings: readonly (readonly [string, string | null])[] = [
    ['gzip, deflate, br', 'br'],
    ['gzip;q=1.0, br;q=0', 'gzip'],
    ['identity', null],
  ];
  for (const [accepted, encoding] of encodings) {
    const answer = await get('/assets/a-1234.js', { 'accept-encoding': accepted });
    assert.equal(answer.headers.get('content-encoding'), encoding, accepted);
    assert.equal(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(await answer.text(), SCRIPT);
    const head = await get('/assets/a-1234.js', { 'accept-encoding': accepted }, 'HEAD');
    assert.equal(head.headers.get('content-length'), answer.headers.get('content-length'));
  }
});

test('what a browser has already is not sent again', async (t) => {
  const get = await served(t);
  const etag = (await get('/', HTML)).headers.get('etag') ?? '';
  const again = await get('/integrations', { ...HTML, 'if-none-match': etag });
  assert.deepEqual([again.status, await again.text()], [304, '']);
  assert.equal((await get('/', { ...HTML, 'if-none-match': '"other"' })).status, 200);
});

test('without a build there is an error that names the place', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'penstock-web-'));
  t.after(() => rm(directory, { recursive: true }));
  assert.throws(() => new WebUi(pathToFileURL(`${directory}/`)), /no index\.html in .*penstock-web-/);
  assert.throws(() => new WebUi(pathToFileURL(`${directory}/none/`)), /ENOENT/);
});
