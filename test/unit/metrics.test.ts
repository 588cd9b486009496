import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetStatistics } from '../../src/executor/delivery/statistics.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';

test('the figures of an integration can be forgotten, and those of others stay', async () => {
  const metrics = createMetrics();
  for (const id of ['gone', 'stays']) {
    metrics.messages.labels(id, 'delivered').inc();
    metrics.latency.labels(id).observe(0.2);
    metrics.lag.labels(id).set(3);
  }
  forgetStatistics(metrics, 'gone');
  const text = await metrics.registry.metrics();
  assert.doesNotMatch(text, /gone/);
  assert.match(text, /penstock_integration_messages_total\{integration="stays",result="delivered"\} 1/);
  assert.match(text, /penstock_integration_latency_seconds_count\{integration="stays"\} 1/);
});
