import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createMetrics } from '../../src/runtime/metrics.ts';

/** As prom-client keeps them: it does not tell them. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

test('docs/metrics.md names every metric with its type, its labels and its help', async () => {
  const docs = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const documented = [...docs.matchAll(/^\| `(penstock_\w+)` \| (\w+) \| ([^|]+) \| (.+) \|$/gm)].map(
    ([, name, type, labels, help]) => [name, type, labels === '–' ? '' : labels!.replaceAll('`', ''), help],
  );
  const { registry, integrations } = createMetrics();
  const kept = registry
    .getMetricsAsArray()
    .map((metric) => [metric as unknown as Metric, metric.constructor.name.toLowerCase()] as const)
    .map(([{ name, help, labelNames }, type]) => [name, type, labelNames.join(', '), help]);
  const written = integrations.families.map(({ name, type, labels, help }) => {
    return [name, type, labels.join(', '), help];
  });
  assert.deepEqual(documented.toSorted(), [...kept, ...written].toSorted());
});
