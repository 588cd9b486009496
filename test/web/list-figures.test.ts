import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Request } from 'playwright-core';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { accessibilityFaults, pageForTests } from '../helpers/chromium.ts';
import { seconds, storingReports, toldAt } from '../helpers/figures.ts';
import { nodeForTests } from '../helpers/nodes.ts';
import { report } from '../helpers/reports.ts';
import { uiForTests } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const LIST_FIGURES = '/penstock.v1.StatisticsService/ListFigures';

/** The list, of which the first integration took 6 messages a second, delivered 5, and failed twice. */
async function listForTests(t: TestContext) {
  const system = await uiForTests(t, ['busy', 'silent']);
  nodeForTests(t, system);
  const reports = storingReports(t, system);
  const [busy, silent] = system.ids as [string, string];
  const now = Date.now();
  const nodeStartTime = timestampFromMs(now - 120_000);
  const told = (time: number, value: Parameters<typeof toldAt>[2]) =>
    toldAt(busy, time, { interval: seconds(60), ...value }, { nodeStartTime });
  const failures = (count: bigint) => [{ failureClass: FailureClass.REJECTED, count }];
  await reports.stores(
    report(busy, { nodeStartTime }),
    report(silent, { nodeStartTime }),
    told(now - 60_000, { received: 100n, delivered: 100n, failures: failures(5n) }),
  );
  await reports.stores(told(now, { received: 460n, delivered: 400n, failures: failures(125n) }));
  await waitUntil('the executor is heard', async () => {
    const { figures } = await system.statistics.listFigures({ integrationIds: [busy] });
    return figures[0]!.interval !== undefined;
  });
  const page = await pageForTests(t, system.browser, system.base, /Failed to load/);
  const row = (name: string) => page.getByRole('row', { name: new RegExp(name) });
  const cellsOf = (name: string) => row(name).locator('.col-in, .col-out, .col-failures').allTextContents();
  return { ...system, page, row, cellsOf };
}

test('the list tells the rates of now, says what is failing, and can be sorted by them', async (t) => {
  const { page, row, cellsOf, ids } = await listForTests(t);
  await row('busy').getByText('failing').waitFor();
  assert.deepEqual(await cellsOf('busy'), ['6', '5', '120']);
  assert.deepEqual(await cellsOf('silent'), ['–', '–', '–']);
  assert.equal(await row('silent').getByText('failing').count(), 0);
  assert.deepEqual(await accessibilityFaults(page), []);
  const names = () => page.locator('table.long .two-lines a').allTextContents();
  for (const order of [
    ['silent', 'busy'],
    ['busy', 'silent'],
  ]) {
    await page.getByRole('button', { name: 'Sort by Out/s' }).click();
    await waitUntil(`the order is ${order}`, async () => String(await names()) === String(order));
  }
  assert.equal(new URL(page.url()).search, '?sort=-out');
  await page.goto(`${new URL(page.url()).origin}/integrations/${ids[0]}`);
  await page.locator('.facts').getByText('failing').waitFor();
});

test('figures are asked for every ten seconds, one call at a time, and not while the tab is hidden; old ones are grey', async (t) => {
  const { page, row, cellsOf, base } = await listForTests(t);
  await page.goto('about:blank'); // which has called already, or not
  const calls: Request[] = [];
  const open = new Set<Request>();
  let mostOpen = 0;
  page.on('request', (request) => {
    if (!request.url().endsWith(LIST_FIGURES)) return;
    calls.push(request);
    mostOpen = Math.max(mostOpen, open.add(request).size);
  });
  page.on('requestfinished', (request) => open.delete(request));
  page.on('requestfailed', (request) => open.delete(request));
  await page.clock.install();
  await page.goto(base);
  await row('busy').getByText('failing').waitFor();
  assert.equal(calls.length, 1);
  const pass = async (ms: number, expected: number) => {
    await page.clock.runFor(ms);
    await waitUntil(`${expected} calls`, () => calls.length >= expected);
    await page.evaluate('1');
    assert.equal(calls.length, expected);
  };
  const turn = (hidden: boolean) =>
    page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, value: ${hidden} });
      document.dispatchEvent(new Event('visibilitychange'))`);
  await pass(9000, 1);
  await pass(2000, 2);
  await turn(true);
  await pass(60_000, 2);
  await turn(false);
  await pass(0, 3);
  const old = row('busy').locator('td.number.old');
  await old.first().waitFor({ state: 'detached' });
  // From now on none is answered, and each ends by its deadline.
  await page.route(`**${LIST_FIGURES}`, () => {});
  await pass(12_000, 4);
  await pass(12_000, 5);
  assert.equal(await old.count(), 0, 'two intervals, of a minute each, have not passed');
  await page.clock.runFor(100_000);
  assert.equal(mostOpen, 1);
  await old.nth(2).waitFor();
  assert.deepEqual(await cellsOf('busy'), ['6', '5', '120']);
});
