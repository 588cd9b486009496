import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createMetrics } from '../../src/runtime/metrics.ts';

test('docs/metrics.md names every metric with its help', async () => {
  const docs = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const documented = [...docs.matchAll(/^\| `(penstock_\w+)` \| \w+ \| [^|]+ \| (.+) \|$/gm)].map(
    ([, name, help]) => [name, help],
  );
  const metrics = await createMetrics().registry.getMetricsAsJSON();
  assert.deepEqual(documented.toSorted(), metrics.map(({ name, help }) => [name, help]).toSorted());
});
