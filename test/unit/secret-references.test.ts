import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fsp, { mkdir, symlink, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { secretsIn } from '../../src/contract/secrets.ts';
import { resolveReferences } from '../../src/executor/secrets/references.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const VARIABLES: Readonly<Record<string, string>> = {
  INTEGRATION_SECRET_A: 'of-a',
  INTEGRATION_SECRET_EMPTY: '',
  INTEGRATION_SECRET_LINES: 'two\nlines',
  PENSTOCK_POSTGRES_URL: 'postgres://penstock:password@db/',
};

const never = new AbortController().signal;

const bearer = (token: string, bodyTemplate = '') =>
  create(IntegrationSchema, {
    name: 'n',
    topicFilters: ['#'],
    configuration: {
      case: 'http',
      value: {
        restEndpointUrl: 'http://a/',
        bodyTemplate,
        credentials: { credentials: { case: 'bearer', value: { token } } },
      },
    },
  });

/** What a token becomes, or why it cannot be had. */
async function resolved(token: string, filesDir = '') {
  const sources = { envPrefix: 'INTEGRATION_SECRET_', filesDir, variable: (name: string) => VARIABLES[name] };
  const { integration, violations } = await resolveReferences(bearer(token), sources, systemClock, never);
  if (violations.length === 0) return secretsIn(IntegrationSchema, integration).join();
  assert.deepEqual(
    violations.map(({ field }) => field),
    ['http.credentials.bearer.token'],
  );
  return violations.map(({ description }) => description).join();
}

/** A directory as Kubernetes mounts secrets: files are links into a directory that is a link itself. */
async function mounted(t: TestContext) {
  const all = await temporaryDirectory(t);
  const dir = join(all, 'secrets');
  await mkdir(join(dir, '..2026'), { recursive: true });
  const put = (name: string, content: string | Uint8Array) => writeFile(join(dir, '..2026', name), content);
  await symlink('..2026', join(dir, '..data'));
  await put('token', 'of-a-file\n');
  await symlink('..data/token', join(dir, 'token'));
  await writeFile(join(all, 'outside'), 'of somebody else');
  await symlink('../outside', join(dir, 'link-out'));
  return {
    all,
    dir,
    put: (name: string, content: string | Uint8Array) => writeFile(join(dir, name), content),
  };
}

test('a reference is the whole of a secret; everything else is the secret itself', async () => {
  assert.equal(await resolved('${env:INTEGRATION_SECRET_A}'), 'of-a');
  for (const token of [
    'x${env:INTEGRATION_SECRET_A}',
    '${env:INTEGRATION_SECRET_A}x',
    '$${env:INTEGRATION_SECRET_A}',
    '${ENV:INTEGRATION_SECRET_A}',
    '${vault:a}',
    '${topic}',
    '${env:INTEGRATION_SECRET_A',
  ]) {
    assert.equal(await resolved(token), token);
  }
});

test('placeholders of templates are no references, and references no placeholders', async () => {
  const template = '{"a": "${payload.a}", "b": "${env:INTEGRATION_SECRET_A}"}';
  const sources = {
    envPrefix: 'INTEGRATION_SECRET_',
    filesDir: '',
    variable: (name: string) => VARIABLES[name],
  };
  const { integration } = await resolveReferences(
    bearer('${env:INTEGRATION_SECRET_A}', template),
    sources,
    systemClock,
    never,
  );
  const { value } = integration.configuration;
  assert.equal(value && 'bodyTemplate' in value && value.bodyTemplate, template);
});

test('variables that do not begin as they must are refused, also when they are there', async () => {
  const text = await resolved('${env:PENSTOCK_POSTGRES_URL}');
  assert.match(text, /does not begin with INTEGRATION_SECRET_ \(PENSTOCK_SECRET_ENV_PREFIX/);
  assert.doesNotMatch(text, /password/);
  assert.match(await resolved('${env:integration_secret_a}'), /does not begin with/);
  assert.match(await resolved('${env:INTEGRATION_SECRET_NONE}'), /INTEGRATION_SECRET_NONE, which is not set/);
  assert.match(await resolved('${env:INTEGRATION_SECRET_EMPTY}'), /is not set on the executor/);
});

test('what is referred to keeps the rules of the field', async () => {
  assert.match(await resolved('${env:INTEGRATION_SECRET_LINES}'), /must be a token/);
  assert.doesNotMatch(await resolved('${env:INTEGRATION_SECRET_LINES}'), /two/);
});

test('files are read from the directory that is set, one line break at their end left out', async (t) => {
  const { dir, put } = await mounted(t);
  await put('plain', 'plain');
  await put('windows', 'windows\r\n');
  assert.equal(await resolved(`\${file:${dir}/plain}`, dir), 'plain');
  assert.equal(await resolved(`\${file:${dir}/windows}`, `${dir}/`), 'windows');
  await put('twice', 'token\n\n');
  assert.match(await resolved(`\${file:${dir}/twice}`, dir), /must be a token/);
});

test('links within the directory are followed, as in Kubernetes; what leads out of it is refused', async (t) => {
  const { all, dir } = await mounted(t);
  await symlink(dir, join(all, 'linked'));
  await mkdir(join(all, 'secrets-too'));
  await writeFile(join(all, 'secrets-too', 'x'), 'x');
  assert.equal(await resolved(`\${file:${dir}/token}`, dir), 'of-a-file');
  assert.equal(await resolved(`\${file:${all}/linked/token}`, join(all, 'linked')), 'of-a-file');
  const outside = /is not in \S+ \(PENSTOCK_SECRET_FILES_DIR/;
  for (const path of [
    `${dir}/link-out`,
    `${all}/outside`,
    `${all}/not-there`,
    `${dir}/../outside`,
    `${all}/secrets-too/x`,
    'secrets/token',
    '',
    '/etc/passwd',
    dir,
  ]) {
    assert.match(await resolved(`\${file:${path}}`, dir), outside, path);
  }
  assert.match(await resolved(`\${file:${dir}/token}`), /PENSTOCK_SECRET_FILES_DIR is not set/);
  assert.match(
    await resolved(`\${file:${dir}/token}`, join(all, 'gone')),
    /PENSTOCK_SECRET_FILES_DIR .* cannot be used/,
  );
});

test('what is not there, no file, too large, empty or no text is told by its path', async (t) => {
  const { dir, put } = await mounted(t);
  await mkdir(join(dir, 'directory'));
  await put('large', 'x'.repeat(65_537));
  await put('empty', '\n');
  await put('binary', new Uint8Array([0xff, 0xfe]));
  const expected = {
    none: /none, which is not there on the executor/,
    directory: /directory, which is no file/,
    large: /large, which has more than 65536 bytes/,
    empty: /empty, which is empty/,
    binary: /binary, which is no UTF-8 text/,
  };
  for (const [name, text] of Object.entries(expected)) {
    assert.match(await resolved(`\${file:${dir}/${name}}`, dir), text);
  }
});

test('a pipe that nobody writes to holds nothing up', async (t) => {
  const { dir } = await mounted(t);
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  assert.match(await resolved(`\${file:${dir}/pipe}`, dir), /pipe, which is no file/);
});

/** An integration with as many secrets as there are paths, each in a file. */
const inFiles = (paths: readonly string[]) =>
  create(IntegrationSchema, {
    name: 'n',
    topicFilters: ['#'],
    configuration: {
      case: 'http',
      value: {
        restEndpointUrl: 'http://a/',
        secretHeaders: paths.map((path, i) => ({ name: `h${i}`, value: `\${file:${path}}` })),
      },
    },
  });

test('files that hang have one deadline together, and a signal ends the wait for them', async (t) => {
  const asked: string[] = [];
  t.mock.method(fsp, 'realpath', (path: string) => {
    asked.push(path);
    return path === '/mnt' ? Promise.resolve(path) : new Promise(() => {});
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  const clock = new FakeClock(0);
  const left = new AbortController();
  const integration = inFiles(['/mnt/a', '/mnt/b', '/mnt/a', '/mnt/c']);
  const sources = { envPrefix: 'X_', filesDir: '/mnt', variable: () => undefined };
  const ended: string[] = [];
  const resolve = (name: string, signal: AbortSignal) =>
    resolveReferences(integration, sources, clock, signal).then(({ violations }) => {
      ended.push(name);
      return violations.map(({ field, description }) => `${field} ${description}`);
    });
  const [late, aborted] = [resolve('late', never), resolve('aborted', left.signal)];
  await clock.advance(100);
  const files = asked.filter((path) => path !== '/mnt');
  assert.deepEqual(files, ['/mnt/a', '/mnt/b', '/mnt/c', '/mnt/a', '/mnt/b', '/mnt/c'], 'each once');
  left.abort();
  await clock.advance(0);
  assert.deepEqual(ended, ['aborted']);
  await clock.advance(5000);
  assert.deepEqual(ended, ['aborted', 'late']);
  for (const texts of [await late, await aborted]) {
    assert.equal(texts.length, 4);
    assert.match(texts[2]!, /^http\.secret_headers\["h2"\]\.value refers to \/mnt\/a, .* not read in time/);
  }
});
