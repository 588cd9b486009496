// npm run pack:client: builds `penstock/client` and packs it as dist/penstock-<version>.tgz. The package has the client alone:
// of the dependencies those that it imports, none of the server's.
import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

const OUT = 'dist/client';
/** Those of @connectrpc/connect-node. */
const ENGINES = { node: '>=22' };

process.chdir(new URL('..', import.meta.url).pathname);
for (const old of [OUT, ...globSync('dist/penstock-*.tgz')]) rmSync(old, { recursive: true, force: true });
execFileSync('tsc', ['-p', 'tsconfig.client.json'], { stdio: 'inherit' });
const { name, version, license, type, exports, dependencies } = JSON.parse(
  readFileSync('package.json', 'utf8'),
) as Manifest;
const built = globSync(`${OUT}/**/*.js`).map((file) => readFileSync(file, 'utf8'));
const manifest = {
  name,
  version,
  description: 'The client of Penstock: its API over gRPC from Node.js, as JSON over HTTP from browsers.',
  license,
  type,
  engines: ENGINES,
  sideEffects: false,
  // What is a source here is there built, with its types.
  exports: Object.fromEntries(
    Object.entries(exports).map(([path, source]) => [
      path,
      { types: source.replace(/\.ts$/, '.d.ts'), default: source.replace(/\.ts$/, '.js') },
    ]),
  ),
  dependencies: Object.fromEntries(
    Object.entries(dependencies).filter(([dependency]) =>
      built.some((text) => new RegExp(`from ['"]${dependency}['"/]`).test(text)),
    ),
  ),
};
writeFileSync(`${OUT}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
copyFileSync('LICENSE', `${OUT}/LICENSE`);
execFileSync('npm', ['pack', `./${OUT}`, '--pack-destination', 'dist', '--silent'], { stdio: 'inherit' });
