import assert from 'node:assert/strict';
import { globSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WEB_DIST } from '../../src/rpc/web-ui.ts';

// What `npm run build:web` made, as it is sent: compressed. In bytes.

const DIST = fileURLToPath(WEB_DIST);
const KB = 1000;
const sizeOf = (files: readonly string[]) =>
  files.reduce((sum, file) => sum + statSync(`${file}.gz`).size, 0);
const assets = (name: string) => globSync(`${DIST}assets/${name}`);

/** The scripts that are loaded before the list is shown: the page names them all. */
function scriptsOfPage(): string[] {
  const html = readFileSync(`${DIST}index.html`, 'utf8');
  return [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+\.js)"/g)].map(([, path]) => DIST + path);
}

const BUDGETS = [
  { what: 'the frame and the list', files: scriptsOfPage(), kb: 45 },
  { what: 'what makes calls, which is loaded behind them', files: assets('calls-*.js'), kb: 65 },
  { what: 'the worker', files: assets('worker-*.js'), kb: 62 },
  { what: 'styles', files: assets('*.css'), kb: 15 },
  { what: 'the form', files: assets('edit-page-*.js'), kb: 105 },
  { what: 'charts', files: assets('charts-*.js'), kb: 27 },
  { what: 'the MQTT client', files: assets('try-page-*.js'), kb: 105 },
  { what: 'everything', files: [...assets('*.js'), ...assets('*.css')], kb: 500 },
];

for (const { what, files, kb } of BUDGETS) {
  test(`of ${what} no more than ${kb} KB is sent`, () => {
    assert.ok(files.length > 0, 'there is no such file');
    assert.ok(
      sizeOf(files) <= kb * KB,
      `${sizeOf(files)} bytes: ${files.map((file) => file.slice(DIST.length))}`,
    );
  });
}

test('what reads messages is not loaded before the list is shown', () => {
  const scripts = scriptsOfPage().map((file) => file.slice(`${DIST}assets/`.length));
  // One more has been drawn in by an import: of a schema or of the library of messages, where an enum or a time was wanted.
  assert.deepEqual(scripts.map((file) => file.replace(/-[\w-]+\.js$/, '')).toSorted(), ['index', 'shell']);
});
