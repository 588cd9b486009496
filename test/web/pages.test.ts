import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { accessibilityFaults, DELETED, pageForTests } from '../helpers/chromium.ts';
import { HTTP } from '../helpers/control-plane.ts';
import { countingProxy } from '../helpers/counting-proxy.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { uiForTests } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('the list shows what there is, and what changes, without a reload', async (t) => {
  const { client, ids, browser, base } = await uiForTests(t, ['first', 'second']);
  const page = await pageForTests(t, browser, base, DELETED);
  const rows = page.locator('table.long tbody tr:not(.gap)');
  await rows.nth(1).waitFor();
  assert.deepEqual(await page.locator('table.long .two-lines a').allTextContents(), ['first', 'second']);
  await client.createIntegration({ integration: { ...HTTP, name: 'third' } });
  await page.getByRole('link', { name: 'third' }).waitFor();
  await client.deleteIntegration({ id: ids[0]! });
  await page.getByRole('link', { name: 'first' }).waitFor({ state: 'detached' });
  await client.disableIntegration({ id: ids[1]! });
  await page.getByRole('switch', { name: 'second enabled', checked: false }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
});

test('a switch in the list enables and disables', async (t) => {
  const { client, ids, browser, base } = await uiForTests(t, ['one']);
  const page = await pageForTests(t, browser, base);
  await page.getByRole('switch', { name: 'one enabled', checked: true }).click();
  await page.getByRole('switch', { name: 'one enabled', checked: false }).waitFor();
  assert.equal((await client.getIntegration({ id: ids[0]! })).integration?.enabled, false);
  await page.getByRole('switch', { name: 'one enabled' }).click();
  await page.getByRole('switch', { name: 'one enabled', checked: true }).waitFor();
});

test('the filter is the URL: reload and Back lose nothing, and no match says so', async (t) => {
  const { browser, base } = await uiForTests(t, ['alpha', 'beta']);
  const page = await pageForTests(t, browser, base);
  await page.getByLabel('Search').fill('alp');
  await page.getByRole('link', { name: 'beta' }).waitFor({ state: 'detached' });
  assert.equal(new URL(page.url()).search, '?q=alp');
  await page.getByRole('link', { name: 'alpha' }).click();
  await page.getByRole('heading', { name: 'alpha' }).waitFor();
  await page.goBack();
  await page.getByRole('link', { name: 'alpha' }).waitFor();
  assert.equal(await page.getByLabel('Search').inputValue(), 'alp');
  await page.reload();
  await page.getByRole('link', { name: 'alpha' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'beta' }).count(), 0);
  await page.getByLabel('Search').fill('nothing like it');
  await page.getByRole('heading', { name: 'No integration is like that' }).waitFor();
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.getByRole('link', { name: 'beta' }).waitFor();
});

test('an empty list says how to begin, once it is known to be empty', async (t) => {
  const { client, browser, base } = await uiForTests(t, []);
  const page = await pageForTests(t, browser, base);
  await page.getByRole('heading', { name: 'There is no integration yet' }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await client.createIntegration({ integration: { ...HTTP, name: 'the first' } });
  await page.getByRole('link', { name: 'the first' }).waitFor();
});

test('one integration: what it is, and deleting it only by its name', async (t) => {
  const { client, ids, browser, base } = await uiForTests(t, ['doomed']);
  const page = await pageForTests(t, browser, `${base}/integrations/${ids[0]}`, DELETED);
  await page.getByRole('heading', { name: 'doomed' }).waitFor();
  await page.getByRole('row', { name: /http\.rest_endpoint_url http:\/\/127\.0\.0\.1:9999\/in/ }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.getByRole('link', { name: 'revisions' }).click();
  await page.getByRole('cell', { name: 'created' }).waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete doomed?' });
  const sure = dialog.getByRole('button', { name: 'Delete' });
  assert.equal(await sure.isDisabled(), true);
  await dialog.getByLabel('Its name, to be sure').fill('doomed');
  await sure.click();
  await page.getByRole('heading', { name: 'There is no integration yet' }).waitFor();
  assert.equal((await client.listIntegrations({})).totalSize, 0);
});

test('what does not exist says so', async (t) => {
  const { browser, base } = await uiForTests(t, []);
  const missing = `${base}/integrations/00000000-0000-4000-8000-000000000000`;
  const page = await pageForTests(t, browser, missing, /404/);
  await page.getByRole('heading', { name: 'There is no such integration' }).waitFor();
  await page.goto(`${base}/no/such/page`);
  await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
});

test('text of others is text, whatever it looks like', async (t) => {
  const name = '<img src=x onerror=alert(1)>';
  const { ids, browser, base } = await uiForTests(t, [name]);
  const page = await pageForTests(t, browser, base);
  await page.getByRole('link', { name }).waitFor();
  await page.goto(`${base}/integrations/${ids[0]}`);
  await page.getByRole('heading', { name }).waitFor();
  assert.equal(await page.locator('img').count(), 0);
});

test('ten tabs have one stream, which outlives the first, and know when the server is gone and what is there when it is back', async (t) => {
  const { browser, base, ids, client } = await uiForTests(t, ['shown', 'gone']);
  const proxy = await countingProxy(t, base);
  const streams = () => proxy.open('/penstock.v1.WatchService/Watch');
  const first = await pageForTests(t, browser, proxy.url, /ERR_|Failed to load/);
  const context = first.context();
  await first.getByRole('link', { name: 'shown' }).waitFor();
  const others = await Promise.all(
    Array.from({ length: 9 }, async () => {
      const page = await context.newPage();
      await page.goto(proxy.url);
      await page.getByRole('link', { name: 'shown' }).waitFor();
      return page;
    }),
  );
  assert.equal(streams(), 1);
  await first.close();
  await client.disableIntegration({ id: ids[0]! });
  const all = (wait: (page: Page) => Promise<void>) => Promise.all(others.map(wait));
  await all((page) => page.getByRole('switch', { name: 'shown enabled', checked: false }).waitFor());
  assert.equal(streams(), 1);
  proxy.stop();
  await all((page) => page.getByText('Not live for').waitFor());
  await client.deleteIntegration({ id: ids[1]! });
  await proxy.start();
  await all((page) => page.getByText('Live', { exact: true }).waitFor());
  await all((page) => page.getByRole('link', { name: 'gone' }).waitFor({ state: 'detached' }));
  assert.equal(streams(), 1);
});

test('the first paint of a page asks nobody but its own server, within the policy of the server', async (t) => {
  const { browser, base } = await uiForTests(t, ['a']);
  const page = await pageForTests(t, browser, base);
  await page.getByRole('link', { name: 'a', exact: true }).waitFor();
  const response = await page.request.get(base, { headers: { host: 'evil.example' } });
  assert.equal(response.status(), 421);
  const framed = await browser.newPage();
  await framed.setContent(`<iframe src="${base}"></iframe>`);
  await waitUntil('the frame is refused', () =>
    framed.frames().some((one) => one.url().startsWith('chrome-error')),
  );
  await framed.close();
});

test('a state is a filter, and pressed once more it is none', async (t) => {
  const { client, ids, browser, base } = await uiForTests(t, ['on', 'off']);
  await client.disableIntegration({ id: ids[1]! });
  const page = await pageForTests(t, browser, base);
  await page.getByRole('switch', { name: 'off enabled', checked: false }).waitFor();
  await page.getByRole('button', { name: '1 disabled' }).click();
  await page.getByRole('link', { name: 'on', exact: true }).waitFor({ state: 'detached' });
  assert.equal(new URL(page.url()).search, '?state=disabled');
  await page.getByRole('button', { name: '1 disabled', pressed: true }).click();
  await page.getByRole('link', { name: 'on', exact: true }).waitFor();
  await page.goto(`${base}/events`);
  await page.getByRole('button', { name: 'error' }).click();
  await page.getByRole('button', { name: 'error', pressed: true }).waitFor();
  assert.equal(new URL(page.url()).search, '?kind=error');
});

test('from one page that is loaded when it is wanted to another', async (t) => {
  const { ids, browser, base } = await uiForTests(t, ['one', 'two']);
  const page = await pageForTests(t, browser, `${base}/integrations/${ids[0]}/edit`);
  await page.getByRole('heading', { name: 'Edit one' }).waitFor();
  await page.getByRole('link', { name: 'Try it' }).click();
  await page.getByRole('heading', { name: 'Try it' }).waitFor();
  await page.getByRole('link', { name: 'Replays' }).click();
  await page.getByRole('heading', { name: 'Replays', exact: true }).waitFor();
  const open = (path: string) =>
    page.evaluate(`history.pushState(null, '', '${path}'); dispatchEvent(new PopStateEvent('popstate'))`);
  await open(`/integrations/${ids[0]}/edit`);
  await page.getByRole('heading', { name: 'Edit one' }).waitFor();
  await open(`/integrations/${ids[1]}/edit`);
  await page.getByRole('heading', { name: 'Edit two' }).waitFor();
  assert.equal(await page.locator('[id="field-name"]').inputValue(), 'two');
});

test('what happened while the stream was cut is among the events once it is back', async (t) => {
  const { browser, base, ids, bus, topics, events } = await uiForTests(t, ['seen']);
  const proxy = await countingProxy(t, base);
  const page = await pageForTests(
    t,
    browser,
    `${proxy.url}/integrations/${ids[0]}/events`,
    /ERR_|Failed to load/,
  );
  await page.getByRole('heading', { name: 'Nothing has happened yet' }).waitFor();
  proxy.stop();
  await page.getByText('Not live for').waitFor();
  const record = report(ids[0]!);
  await bus.send(topics.uplink.name, { key: ids[0]!, value: encodedReport(record) });
  await waitUntil(
    'it is stored, and no stream tells of it',
    async () => (await events.listEvents({ filter: { integrationId: ids[0]! } })).events.length === 1,
  );
  await proxy.start();
  await page.getByText('Live', { exact: true }).waitFor();
  await page.getByRole('cell', { name: 'started' }).waitFor();
});

test('older events that cannot be had are told above those that are there, and not of another list', async (t) => {
  const { browser, base, ids, bus, topics, events } = await uiForTests(t, ['busy']);
  for (let n = 0; n < 120; n++)
    await bus.send(topics.uplink.name, { key: ids[0]!, value: encodedReport(report(ids[0]!)) });
  await waitUntil('all are stored', async () => {
    const listed = await events.listEvents({ filter: { integrationId: ids[0]! }, pageSize: 1000 });
    return listed.events.length === 120;
  });
  const page = await pageForTests(t, browser, `${base}/integrations/none/replay`, /Failed to load/);
  await page.getByRole('heading', { name: 'There is no such integration' }).waitFor(); // everything has come
  await page.getByRole('link', { name: 'Events' }).click();
  const rows = page.locator('table.events tbody tr');
  await rows.nth(99).waitFor();
  await page.route('**/penstock.v1.EventService/ListEvents', (route) => route.abort(), { times: 1 });
  const shown = await rows.count();
  await page.getByRole('button', { name: 'Older ones' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await rows.count(), shown);
  await page.getByRole('button', { name: 'error' }).click();
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'error', pressed: true }).click();
  await rows.nth(99).waitFor();
  await page.getByRole('button', { name: 'Older ones' }).click();
  await rows.nth(119).waitFor();
  assert.equal(await page.getByRole('alert').count(), 0);
});

test('where what makes calls cannot be loaded, a page says what to do', async (t) => {
  const { browser, base } = await uiForTests(t, []);
  const page = await pageForTests(t, browser, base, /Failed to load/);
  await page.route(/assets\/calls-/, (route) => route.abort());
  await page.goto(`${base}/events`);
  await page.getByText('This page is of another version: reload it.').waitFor();
});
