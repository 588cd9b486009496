import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { type Source, sourceOf, sourcesIn, withoutStrings } from '../helpers/sources.ts';

const SHARED = ['gen/', 'src/contract/', 'src/topic-filter/', 'src/runtime/', 'src/rpc/', 'src/bus/'];
const EXECUTOR = 'src/executor/';
/** What the handler of a type may import. */
const FOR_HANDLERS = [
  ...SHARED,
  'src/executor/handlers/handler.ts',
  'src/executor/handlers/tls.ts',
  'src/executor/handlers/oauth2.ts',
  'src/executor/handlers/token-request.ts',
  'src/executor/handlers/trial-record.ts',
];

/** Who may import whom, beside itself. The longest beginning of a file's path that stands here is its part. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'gen/': [],
  'src/topic-filter/': [],
  'src/runtime/': [],
  'src/contract/': ['gen/', 'src/topic-filter/'],
  'src/rpc/': ['gen/', 'src/contract/', 'src/runtime/'],
  'src/bus/': ['gen/', 'src/contract/', 'src/runtime/', 'src/kafkajs/'],
  'src/kafkajs/': ['src/runtime/'],
  'src/access/': ['gen/', 'src/contract/', 'src/runtime/', 'src/rpc/', 'src/bus/'],
  'src/control-plane/': [...SHARED, 'src/access/'],
  'src/ingress/': SHARED,
  // An executor's parts know its own files at the top only by its configuration; the top knows them all.
  [EXECUTOR]: [...SHARED, EXECUTOR],
  'src/executor/lifecycle/': [
    ...SHARED,
    'src/executor/delivery/',
    'src/executor/handlers/',
    'src/executor/secrets/',
    'src/executor/uplink/',
    'src/executor/config.ts',
  ],
  'src/executor/delivery/': [...SHARED, 'src/executor/handlers/', 'src/executor/uplink/'],
  'src/executor/uplink/': SHARED,
  'src/executor/secrets/': SHARED,
  'src/executor/handlers/': [...SHARED, 'src/executor/handlers/'],
  'src/executor/handlers/http/': FOR_HANDLERS,
  'src/executor/handlers/mqtt/': FOR_HANDLERS,
  'src/executor/handlers/kafka/': [...FOR_HANDLERS, 'src/kafkajs/'],
  // What is packed for others: nothing of the server.
  'src/client/': ['gen/'],
  // The client on the command line: of the server it knows what its errors mean.
  'src/cli/': ['gen/', 'src/client/', 'src/contract/', 'src/runtime/', 'src/rpc/reasons.ts', 'src/yaml/'],
  // For the command line and the web UI.
  'src/yaml/': ['gen/', 'src/contract/'],
  'src/own-kafka.ts': ['src/bus/', 'src/runtime/'],
  'src/role.ts': [
    'gen/',
    'src/access/',
    'src/bus/',
    'src/rpc/',
    'src/runtime/',
    'src/control-plane/main.ts',
    'src/executor/main.ts',
    'src/ingress/main.ts',
  ],
  'src/process.ts': [
    'src/role.ts',
    'src/own-kafka.ts',
    'gen/',
    'src/access/',
    'src/bus/',
    'src/rpc/',
    'src/runtime/',
  ],
  'src/usage.ts': ['src/runtime/'],
  'src/main.ts': [
    'src/role.ts',
    'src/usage.ts',
    'src/own-kafka.ts',
    'src/process.ts',
    'src/runtime/',
    'src/cli/apply.ts',
    'src/cli/call.ts',
    'src/cli/export.ts',
    'src/control-plane/commands/',
    'src/dev/dev.ts',
    'src/dev/demo.ts',
  ],
  'src/dev/': ['src/process.ts', 'src/role.ts', 'src/runtime/'],
  'src/dev/demo.ts': ['src/client/', 'src/process.ts', 'src/runtime/', 'src/dev/'],
  'web/': [
    'gen/',
    'src/client/',
    'src/contract/',
    'src/topic-filter/',
    'src/yaml/',
    'src/runtime/latency.ts',
  ],
  'test/': ['gen/', 'src/', 'web/'],
};

/** Where a package may be imported, beside test/: each client in one place, and in the handler of its type. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@platformatic/wasm-utils': ['src/executor/handlers/kafka/', 'src/kafkajs/'],
  '@bufbuild/protobuf': ['gen/', 'src/', 'web/'],
  '@bufbuild/protovalidate': ['gen/', 'src/contract/', 'web/src/forms/'],
  '@connectrpc/connect': ['src/rpc/', 'src/client/'],
  '@connectrpc/connect-node': ['src/rpc/', 'src/client/node.ts'],
  '@connectrpc/connect-web': ['src/client/web-service.ts'],
  '@grpc/grpc-js': ['src/rpc/'],
  jose: ['src/access/oidc-provider.ts', 'src/access/oidc-tokens.ts'],
  kafkajs: ['src/bus/kafka/', 'src/executor/handlers/kafka/', 'src/kafkajs/'],
  mqtt: ['src/dev/demo.ts', 'web/src/pages/try/', 'src/executor/handlers/mqtt/'],
  'mqtt-packet': ['src/ingress/listener/', 'src/executor/handlers/mqtt/'],
  oauth4webapi: ['src/access/oidc-login.ts'],
  pg: ['src/control-plane/store/', 'src/dev/postgres-server.ts'],
  'prom-client': ['src/runtime/metrics.ts'],
  undici: ['src/executor/handlers/http/'],
  yaml: ['src/yaml/'],
  // Built into the web UI, and tools of its build.
  '@preact/signals': ['web/'],
  preact: ['web/'],
  uplot: ['web/src/pages/charts/plot.tsx'],
  vite: ['web/'],
};

const SETTINGS = 'src/runtime/settings.ts';
const CLOCK = 'src/runtime/clock.ts';
const MAX_LINES = 250;

const sources = sourcesIn('src', 'gen', 'test', 'bench', 'web');
const inSrc = sources.filter(({ path }) => path.startsWith('src/'));
const isUnder = (path: string, place: string) =>
  path === place || (place.endsWith('/') && path.startsWith(place));
const partOf = (path: string) =>
  Object.keys(MAY_IMPORT)
    .filter((part) => isUnder(path, part))
    .toSorted((a, b) => b.length - a.length)[0];

/** Files of src, other than `exceptions`, whose code has the pattern. */
const filesWith = (pattern: RegExp, ...exceptions: readonly string[]) =>
  inSrc.filter(({ path, code }) => !exceptions.includes(path) && pattern.test(code)).map(({ path }) => path);

test('the scanner of imports sees every way to import, and neither comments nor templates', () => {
  const lines = [
    "import { a } from './a.ts';",
    'import type {',
    '  B,',
    "} from '../b.ts';",
    "import 'side-effect';",
    'export * from "./c.ts";',
    "export { d } from '@scope/name/deep/file';",
    "import e, { type E } from 'e';",
    "import * as f from 'f';",
    "const lazy = () => import('./lazy.ts');",
    "const old = createRequire(import.meta.url)('kafkajs/src/x');",
    "// import { no } from './comment.ts';",
    "/* import './block.ts' */",
    "const url = 'https://example.com'; export const g = 1;",
    "export const h = 'text';",
    'const program = `',
    "import './template.ts';",
    '`;',
  ];
  assert.deepEqual(sourceOf('src/x/y.ts', lines.join('\n')).imports, [
    { file: 'src/x/a.ts' },
    { file: 'src/b.ts' },
    { module: 'side-effect' },
    { file: 'src/x/c.ts' },
    { module: '@scope/name' },
    { module: 'e' },
    { module: 'f' },
    { file: 'src/x/lazy.ts' },
    { module: 'kafkajs' },
  ]);
});

test('every part imports only the parts it may', () => {
  const offenders = sources
    .filter(({ path }) => !path.startsWith('bench/'))
    .flatMap(({ path, imports }) => {
      const part = partOf(path);
      if (part === undefined) return [`${path} belongs to no part: name it in this test`];
      const places = [...(part === EXECUTOR ? [] : [part]), ...MAY_IMPORT[part]!];
      return imports.flatMap(({ file }) =>
        file === undefined || places.some((place) => isUnder(file, place)) ? [] : [`${path} → ${file}`],
      );
    });
  assert.deepEqual(offenders, []);
});

test('a handler type of the executor is a part of its own', () => {
  const folders = inSrc.flatMap(({ path }) => /^src\/executor\/handlers\/[^/]+\//.exec(path)?.[0] ?? []);
  for (const folder of new Set(folders)) assert.ok(folder in MAY_IMPORT, `${folder} is missing in this test`);
});

test('every package is imported where it belongs, and declared', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const offenders = sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ module }) => {
      if (module === undefined || module.startsWith('node:')) return [];
      const isTest = /^(test|bench)\//.test(path);
      const isBundled = path.startsWith('web/');
      const isDeclared = module in dependencies || ((isTest || isBundled) && module in devDependencies);
      const isInPlace = isTest || (PACKAGES[module] ?? []).some((place) => isUnder(path, place));
      return isDeclared && isInPlace ? [] : [`${path} → ${module}`];
    }),
  );
  assert.deepEqual(offenders, []);
  const used = new Set(inSrc.flatMap(({ imports }) => imports.map(({ module }) => module)));
  const unused = Object.keys(dependencies).filter((name) => name !== 'node' && !used.has(name));
  assert.deepEqual(unused, []);
});

test('no file imports itself by way of others', () => {
  const edges = new Map(
    sources.map(({ path, imports }) => [path, imports.flatMap(({ file }) => file ?? [])]),
  );
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, way: readonly string[]) => {
    if (way.includes(path)) cycles.push([...way.slice(way.indexOf(path)), path].join(' → '));
    if (way.includes(path) || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  assert.deepEqual(cycles, []);
});

test('modules are imported by name: no file is computed', () => {
  assert.deepEqual(filesWith(/\bimport\((?!\s*['"])/), []);
});

test('the environment is read in the settings alone', () => {
  assert.deepEqual(filesWith(/\bprocess\s*(\.|\?\.|\[['"])env\b|['"]node:process['"]/, SETTINGS), []);
});

test('time passes through the clock alone', () => {
  const timers = /(?<!\.)\b(setTimeout|setInterval)\b|\b(globalThis|global)\.set(Timeout|Interval)\b/;
  const clocks = /\bDate\.now\b|\bnew Date\(\)|\bperformance\b|\bAbortSignal\.timeout\b|\bprocess\.hrtime\b/;
  const modules = /['"]node:(timers|timers\/promises|perf_hooks)['"]/;
  for (const pattern of [timers, clocks, modules]) assert.deepEqual(filesWith(pattern, CLOCK), []);
});

test('names are looked up in one place: sockets connect through it, nobody asks the system', () => {
  const connects = /\b(connect|createConnection)\b[^;]*['"]node:(net|tls)['"]/;
  // A proxy's tunnel is there already; what starts Kafka for dev asks this machine.
  const places = ['src/executor/handlers/http/proxy.ts', 'src/dev/kafka-probe.ts'];
  assert.deepEqual(filesWith(connects, 'src/runtime/open-socket.ts', ...places), []);
  assert.deepEqual(
    filesWith(/import (?!type)[^;]*['"]node:dns(\/promises)?['"]/, 'src/runtime/dns-query.ts'),
    [],
  );
});

test('no any in types', () => {
  const any = /(?:[:<|&,=]|\bas|\bextends)\s*any\b(?=\s*(?:[;,)>|&\]={}[]|$))/m;
  const offenders = inSrc.filter((source: Source) => any.test(withoutStrings(source)));
  assert.deepEqual(
    offenders.map(({ path }) => path),
    [],
  );
});

test('files are named after what they hold, and not long', () => {
  const drawers = /^(index|utils?|helpers?|types?|common|misc|shared)\.ts$/;
  const badNames = inSrc.filter(
    ({ path }) => drawers.test(basename(path)) && !/handlers\/\w+\/type\.ts$/.test(path),
  );
  assert.deepEqual(
    badNames.map(({ path }) => path),
    [],
  );
  const odd = inSrc.filter(({ path }) => !/^src(\/[a-z0-9]+(-[a-z0-9]+)*)+\.ts$/.test(path));
  assert.deepEqual(
    odd.map(({ path }) => path),
    [],
  );
  const long = inSrc.filter(({ lines }) => lines > MAX_LINES);
  assert.deepEqual(
    long.map(({ path, lines }) => `${path}: ${lines}`),
    [],
  );
});
