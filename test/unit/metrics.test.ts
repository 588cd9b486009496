import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics, type Metrics, metricsText } from '../../src/runtime/metrics.ts';

async function slicesOf(metrics: Metrics): Promise<string[]> {
  const slices: string[] = [];
  for await (const slice of metricsText(metrics)) slices.push(slice);
  return slices;
}

test('the figures of an integration can be forgotten, and those of others stay', async () => {
  const { integrations } = createMetrics();
  for (const id of ['gone', 'stays']) {
    const figures = integrations.of(id);
    figures.messages.delivered++;
    figures.failed('timeout');
    figures.backlogs.add({ lag: 3, oldestAge: 1500 });
  }
  integrations.of('stays').backlogs.add({ lag: 4, oldestAge: 500 });
  integrations.forget('gone');
  const text = [...integrations.text()].join('');
  assert.doesNotMatch(text, /gone/);
  for (const line of [
    'penstock_integration_messages_total{integration="stays",result="delivered"} 1',
    'penstock_integration_messages_total{integration="stays",result="skipped"} 0',
    'penstock_integration_failures_total{integration="stays",class="timeout"} 1',
    'penstock_integration_lag{integration="stays"} 7',
    'penstock_integration_oldest_age_seconds{integration="stays"} 1.5',
  ])
    assert.ok(text.split('\n').includes(line), line);
});

test('many integrations: small slices, other things in between, each metric in one group', async () => {
  const metrics = createMetrics();
  const COUNT = 10_000;
  for (let i = 0; i < COUNT; i++) metrics.integrations.of(`i${i}`);
  let turns = 0;
  let isOver = false;
  const turn = () => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const slices = await slicesOf(metrics);
  isOver = true;
  const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');
  const most = Math.max(...slices.map((slice) => linesOf(slice).length));
  assert.ok(most <= 5000, `${most} lines in one go`);
  assert.ok(turns >= slices.length - 2, `${turns} turns of the event loop for ${slices.length} slices`);

  const lines = linesOf(slices.join(''));
  const ofIntegrations = lines.filter((line) => line.includes('integration="'));
  assert.equal(ofIntegrations.length, 10 * COUNT, 'as docs/metrics.md says');
  assert.equal(new Set(lines).size, lines.length, 'no series twice');
  const names = lines.map((line) => /^(?:# \w+ )?([a-z_]+?)(?:_bucket|_sum|_count)?(?=[{ ])/.exec(line)?.[1]);
  const groups = names.filter((name, i) => name !== names[i - 1]);
  assert.equal(new Set(groups).size, groups.length, 'no metric in two groups');
});
