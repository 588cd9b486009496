// npm run build:web: builds the web UI into web/dist, with every file compressed beside it and the licences of what is in it.
// With --if-vite it does nothing where the tools of development are not installed.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const WEB = fileURLToPath(new URL('../web', import.meta.url));
const MODULES = new URL('../node_modules/', import.meta.url);

const vite = await import('vite').catch((error: NodeJS.ErrnoException) => {
  if (process.argv.includes('--if-vite') && error.code === 'ERR_MODULE_NOT_FOUND') return undefined;
  throw error;
});
if (vite) {
  const packages = new Set<string>();
  await vite.build({
    root: WEB,
    configFile: `${WEB}/vite.config.ts`,
    logLevel: 'warn',
    plugins: [noting(packages)],
    worker: { format: 'es', plugins: () => [noting(packages)] },
  });
  writeFileSync(`${WEB}/dist/licenses.txt`, licencesOf([...packages].toSorted()));
  for (const file of globSync(`${WEB}/dist/**/*.{js,css,html,svg,txt}`)) compress(file);
}

/** Notes the packages that are built in. */
function noting(packages: Set<string>) {
  return {
    name: 'note-packages',
    moduleParsed({ id }: { readonly id: string }) {
      const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id) ?? [];
      if (name !== undefined) packages.add(name);
    },
  };
}

function licencesOf(packages: readonly string[]): string {
  const parts = packages.map((name) => {
    const { version, license } = JSON.parse(readFileSync(new URL(`${name}/package.json`, MODULES), 'utf8'));
    const [file] = globSync('{LICENSE,LICENCE,license}*', { cwd: fileURLToPath(new URL(name, MODULES)) });
    const text = file === undefined ? '' : readFileSync(new URL(`${name}/${file}`, MODULES), 'utf8');
    return `${name} ${version} (${license})\n\n${text}`;
  });
  return parts.join(`\n${'-'.repeat(72)}\n\n`);
}

function compress(file: string): void {
  const bytes = readFileSync(file);
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, options));
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
}
