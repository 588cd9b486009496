import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Page } from 'playwright-core';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { accessibilityFaults, pageForTests } from '../helpers/chromium.ts';
import { heardFrom, latencies, seconds, storingReports, toldAt } from '../helpers/figures.ts';
import { nodeForTests } from '../helpers/nodes.ts';
import { uiForTests } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MINUTE = 60_000;
const CHARTS = ['Messages', 'Latency', 'Waiting', 'Age of the oldest', 'Failed attempts'];

/** An integration that has been there for long, and a page with its charts. */
async function chartsForTests(t: TestContext) {
  const system = await uiForTests(t, ['measured']);
  nodeForTests(t, system);
  const reports = storingReports(t, system);
  const [id] = system.ids as [string];
  const old = toBinary(IntegrationSchema, create(IntegrationSchema, { createTime: timestampFromMs(1000) }));
  await reports.db.query('update integrations set config = config || $2 where id = $1', [
    id,
    Buffer.from(old),
  ]);
  const open = async () => {
    const page = await pageForTests(t, system.browser, `${system.base}/integrations/${id}/charts`);
    await page.getByLabel('Times').selectOption('UTC');
    return page;
  };
  return { ...system, reports, id, open };
}

/** The rows of a chart's table, by the second at which they begin; gaps and what is not over yet by themselves. */
async function tableOf(page: Page, title: string) {
  const chart = page.getByRole('figure', { name: title, exact: true });
  if (!(await chart.locator('details').evaluate((one) => (one as unknown as { open: boolean }).open)))
    await chart.getByText('as table').click();
  await chart.locator('.scrolls tbody tr').first().waitFor();
  const rows: string[][] = await chart
    .locator('.scrolls tbody tr')
    .evaluateAll((all) => all.map((row) => [...row.children].map(({ textContent }) => textContent ?? '')));
  const startOf = (text: string) => Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`) / 1000;
  const isGap = ([, first]: string[]) => first?.startsWith('none') === true;
  return {
    gaps: rows.filter(isGap).map(([time]) => time!),
    open: rows.filter(([time]) => time!.includes('not over yet')),
    whole: new Map(
      rows
        .filter((row) => !isGap(row) && !row[0]!.includes('not over yet'))
        .map(([time, ...values]) => [startOf(time!), values]),
    ),
  };
}

const number = (value: number) => value.toLocaleString('en', { maximumSignificantDigits: 3 });
const at = (time: number) => `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

test('the charts draw, and their tables tell, what QueryStatistics answers; a gap is none, idle is zero', async (t) => {
  const { reports, id, open, statistics } = await chartsForTests(t);
  const base = Math.floor((Date.now() - 50 * MINUTE) / MINUTE) * MINUTE;
  const minute = (n: number) => base + n * MINUTE;
  const failures = (count: bigint) => [{ failureClass: FailureClass.TIMEOUT, count }];
  await reports.stores(...heardFrom(base, minute(20)));
  for (const told of [
    toldAt(id, minute(1) + 1000, { received: 0n, delivered: 0n }),
    toldAt(id, minute(2) + 1000, { received: 120n, delivered: 60n, lag: 60n, ...latencies({ 3: 60n }) }),
    toldAt(id, minute(5) + 1000, {
      ...{ received: 150n, delivered: 90n, lag: 12_345n, oldestAge: seconds(1.5), failures: failures(6n) },
      ...latencies({ 3: 90n }),
    }),
  ])
    await reports.stores(told);
  await reports.stores(...heardFrom(minute(30), Date.now()));

  const page = await open();
  const messages = await tableOf(page, 'Messages');
  const latency = await tableOf(page, 'Latency');
  const waiting = await tableOf(page, 'Waiting');
  const age = await tableOf(page, 'Age of the oldest');
  const failed = await tableOf(page, 'Failed attempts');
  const startTime = timestampFromMs(base);
  const { series } = await statistics.queryStatistics({
    integrationIds: [id],
    startTime,
    maxBuckets: 1000,
  });
  const [stored] = series;
  const starts = stored!.startSeconds.map(Number);
  const compared = [...starts.entries()].filter(([, start]) => messages.whole.has(start));
  assert.ok(compared.length >= 38, `${compared.length} buckets are in both`);
  const rate = (column: readonly bigint[], i: number) => number(Number(column[i]) / 60);
  const timeouts = stored!.failures[0]!.counts;
  for (const [i, start] of compared) {
    const { received, delivered, deadLettered, skipped, lag, oldestAgeMs } = stored!;
    assert.deepEqual(
      [messages.whole.get(start), waiting.whole.get(start), failed.whole.get(start)],
      [
        [received, delivered, deadLettered, skipped].map((column) => rate(column, i)),
        [lag[i]! < 0n ? '–' : lag[i]!.toLocaleString('en')],
        [number(Number(timeouts[i]))],
      ],
      new Date(start * 1000).toISOString(),
    );
    assert.deepEqual(age.whole.get(start), [`${number(Number(oldestAgeMs[i]) / 1000)} s`]);
    const hasDelivered = delivered[i]! > 0n;
    assert.deepEqual(
      latency.whole.get(start),
      hasDelivered ? ['7.5 ms', '9.75 ms', '9.95 ms'] : ['–', '–', '–'],
    );
  }
  assert.deepEqual(messages.whole.get(minute(2) / 1000), ['2', '1', '0', '0']);
  assert.deepEqual(messages.whole.get(minute(10) / 1000), ['0', '0', '0', '0'], 'idle is zero');
  // Nobody was heard between.
  assert.ok(messages.gaps.includes(`${at(minute(21))} to ${at(minute(30))}`), String(messages.gaps));
  assert.equal(messages.whole.has(minute(25) / 1000), false);

  await t.test('what stands beside a line is what the table has', async () => {
    const legend = page.getByRole('table', { name: 'Messages: lines' });
    const received = await legend
      .getByRole('row', { name: /received/ })
      .getByRole('cell')
      .allTextContents();
    assert.deepEqual(received.slice(0, 3), ['0', '0', '2']);
  });

  await t.test('all charts are drawn, within the policy of the page, and have one cursor', async () => {
    const drawn: boolean[] = await page.locator('.plot canvas').evaluateAll((all) =>
      (
        all as unknown as { getContext(kind: '2d'): { getImageData(...at: number[]): { data: number[] } } }[]
      ).map((one) =>
        one
          .getContext('2d')
          .getImageData(0, 0, 400, 300)
          .data.some((part) => part > 0),
      ),
    );
    assert.deepEqual(drawn, [true, true, true, true, true]);
    await page.locator('.u-over').first().hover();
    const heads = () =>
      Promise.all(
        CHARTS.map((title) =>
          page
            .getByRole('table', { name: `${title}: lines` })
            .locator('thead th')
            .last()
            .textContent(),
        ),
      );
    await waitUntil('all point at one time', async () => {
      const [first, ...others] = await heads();
      return /^\d\d:\d\d$/.test(first!) && others.every((one) => one === first);
    });
    assert.deepEqual(await accessibilityFaults(page), []);
  });

  await t.test('the last bucket is renewed while the page is open', async () => {
    const sum = { delivered: 90n, lag: 54_321n, failures: failures(6n), ...latencies({ 3: 90n }) };
    await reports.stores(toldAt(id, Date.now(), { received: 210n, ...sum }));
    await waitUntil('the table tells it', async () => {
      const { open: last, whole } = await tableOf(page, 'Waiting');
      return [...last.map((row) => row[1]), ...[...whole.values()].flat()].includes('54,321');
    });
  });

  await t.test('the time shown is in the URL', async () => {
    await page.getByRole('button', { name: '24 h' }).click();
    await waitUntil('buckets are of ten minutes', async () => {
      const { whole } = await tableOf(page, 'Messages');
      return [...whole.keys()].every((start) => start % 600 === 0);
    });
    assert.equal(new URL(page.url()).search, '?range=24h');
    await page.reload();
    await page.getByRole('button', { name: '24 h', pressed: true }).waitFor();
    await page.getByText('Each value is of 10 min').waitFor();
  });
});

test('where nobody was heard the charts say that there is nothing', async (t) => {
  const { ids, browser, base } = await uiForTests(t, ['new']);
  const page = await pageForTests(t, browser, `${base}/integrations/${ids[0]}/charts?range=15m`);
  await page.getByRole('heading', { name: 'There are no figures of this time' }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
});
