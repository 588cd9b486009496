import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { UplinkRecord } from '../../gen/penstock/v1/uplink_pb.ts';
import { accessibilityFaults, pageForTests } from '../helpers/chromium.ts';
import { HTTP } from '../helpers/control-plane.ts';
import { heardFrom, storingReports, toldAt } from '../helpers/figures.ts';
import { nodeForTests } from '../helpers/nodes.ts';
import { encodedReport, failedStart, report } from '../helpers/reports.ts';
import { uiForTests } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MINUTE = 60_000;
const DISABLE = '**/penstock.v1.IntegrationService/DisableIntegration';
const DELETE = '**/penstock.v1.IntegrationService/DeleteIntegration';

/** The list of some integrations, each of which an executor runs. */
async function listForTests(t: TestContext, names: readonly string[]) {
  const system = await uiForTests(t, names);
  nodeForTests(t, system);
  const tells = (record: UplinkRecord) =>
    system.bus.send(system.topics.uplink.name, { key: record.integrationId, value: encodedReport(record) });
  for (const id of system.ids) await tells(report(id));
  const page = await pageForTests(t, system.browser, system.base, /Failed to load|ERR_FAILED/);
  const listed = () => page.locator('table.long .two-lines a').allTextContents();
  const row = (name: string) =>
    page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
  await waitUntil(
    'all are active',
    async () => (await page.locator('td .state.good').count()) === names.length,
  );
  return { ...system, tells, page, listed, row };
}

test('a state is shown with its reason when it changes, and the row under the pointer stays where it is', async (t) => {
  const { ids, page, listed, row, tells } = await listForTests(t, ['a', 'b', 'c']);
  await row('a').hover();
  await tells(report(ids[1]!, { report: failedStart('the certificate has expired') }));
  await row('b').getByText('the certificate has expired').waitFor();
  await page.getByRole('button', { name: 'failed' }).getByText('1').waitFor();
  assert.deepEqual(await listed(), ['a', 'b', 'c']);
  await page.getByRole('button', { name: 'order has changed – sort' }).click();
  await waitUntil('it is in order', async () => String(await listed()) === 'b,a,c');
  await tells(report(ids[2]!, { report: failedStart('so has the other') }));
  await row('c').getByText('so has the other').waitFor();
  await page.getByRole('heading', { name: 'Integrations' }).hover();
  await waitUntil('it is put in order once nobody is at it', async () => String(await listed()) === 'b,c,a');

  await t.test('attempts that fail make it failing, with what failed, and that is a filter', async () => {
    const value = { failureClass: FailureClass.REJECTED, message: '422 no unit', count: 3n };
    const nodeStartTime = timestampFromMs(Date.now() - 10 * MINUTE);
    const failures = [{ failureClass: FailureClass.REJECTED, count: 3n }];
    await tells(report(ids[0]!, { report: { case: 'error', value } }));
    await tells(toldAt(ids[0]!, Date.now() - 10_000, { received: 0n }, { nodeStartTime }));
    await tells(toldAt(ids[0]!, Date.now(), { received: 3n, failures }, { nodeStartTime }));
    await row('a').getByText('rejected: 422 no unit').waitFor();
    await page.getByRole('button', { name: '1 failing' }).click();
    await waitUntil('it is alone', async () => String(await listed()) === 'a');
    assert.equal(new URL(page.url()).search, '?state=failing');
    assert.deepEqual(await accessibilityFaults(page), []);
  });
});

test('many are enabled, disabled and deleted at once, four at a time, and those that failed once more', async (t) => {
  const names = Array.from({ length: 7 }, (_, i) => `n${i}`);
  const { client, ids, page, listed, row } = await listForTests(t, names);
  const pick = (name: string) => page.getByLabel(`Select ${name}`, { exact: true });
  const enabled = async () => {
    const { integrations } = await client.listIntegrations({});
    return integrations
      .filter((one) => one.enabled)
      .map(({ name }) => name)
      .toSorted()
      .join(' ');
  };
  let calls = 0;
  await page.route(DISABLE, (route) => (++calls === 2 ? route.abort() : route.continue()));
  await pick('n1').click();
  await pick('n4').click({ modifiers: ['Shift'] });
  await page.getByText('4 selected').waitFor();
  await page.getByRole('button', { name: 'Disable', exact: true }).click();
  await page.getByText('Disable: 3 of 4 done, 1 failed').waitFor();
  // What is done is not selected any more; what failed is.
  await page.getByText('1 selected').waitFor();
  assert.equal((await enabled()).split(' ').length, 4);
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.getByRole('button', { name: 'Try those that failed again' }).click();
  await page.getByText('Disable: 1 of 1 done').waitFor();
  assert.equal(await enabled(), 'n0 n5 n6');
  await page.getByRole('button', { name: 'Close' }).click();

  await t.test('what the filter leaves out is not touched', async () => {
    await pick('n1').click();
    await pick('n2').click();
    await page.getByLabel('Search').fill('n2');
    await page.getByText('1 selected').waitFor();
    await page.getByRole('button', { name: 'Enable', exact: true }).click();
    await page.getByText('Enable: 1 of 1 done').waitFor();
    assert.equal(await enabled(), 'n0 n2 n5 n6');
    // The page knows it, too: what is deleted is what was seen.
    await page.getByRole('switch', { name: 'n2 enabled', checked: true }).waitFor();
    await page.getByLabel('Search').fill('');
    await page.getByRole('button', { name: 'select none' }).click();
    await page.getByRole('button', { name: 'Close' }).click();
  });

  await t.test('Ctrl A selects all that match, and deleting asks how many they are', async () => {
    await row('n0').getByRole('link').focus();
    await page.keyboard.press('Control+a');
    await page.getByText('7 selected').waitFor();
    await pick('n3').click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Delete 6 integrations?' });
    const sure = dialog.getByRole('button', { name: 'Delete' });
    await dialog.getByLabel('How many, to be sure').fill('7');
    assert.equal(await sure.isDisabled(), true);
    await dialog.getByLabel('How many, to be sure').fill('6');
    await sure.click();
    await page.getByText('Delete: 6 of 6 done').waitFor();
    await waitUntil('one is left', async () => String(await listed()) === 'n3');
    assert.equal((await client.getIntegration({ id: ids[3]! })).integration?.name, 'n3');
    await page.getByRole('button', { name: 'Close' }).click();
  });

  await t.test('what failed is tried again as it is now, without what is gone', async () => {
    const made = ['x1', 'x2', 'x3'].map((name) =>
      client.createIntegration({ integration: { ...HTTP, name } }),
    );
    const [x1, x2, x3] = (await Promise.all(made)).map(({ integration }) => integration!.id);
    await page.route(DELETE, (route) => route.abort(), { times: 2 });
    await pick('x1').click();
    await pick('x2').click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('dialog').getByLabel('How many, to be sure').fill('2');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('Delete: 0 of 2 done, 2 failed').waitFor();
    await client.deleteIntegration({ id: x1! });
    await client.updateIntegration({
      integration: { id: x2!, name: 'x2 anew' },
      updateMask: { paths: ['name'] },
    });
    await row('x2 anew').waitFor();
    await row('x1').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Try those that failed again' }).click();
    await page.getByText('Delete: 1 of 1 done').waitFor();
    await row('x2 anew').waitFor({ state: 'detached' });

    await pick('x3').click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('dialog', { name: 'Delete x3?' }).waitFor();
    await client.deleteIntegration({ id: x3! });
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await pick('n3').click();
    await page.getByText('1 selected').waitFor();
    assert.equal(await page.getByRole('dialog').count(), 0, 'nobody asked for the next one');
  });
});

test('columns are chosen and kept; ten minutes are drawn with their gap; and what all do is told', async (t) => {
  const system = await uiForTests(t, ['drawn']);
  nodeForTests(t, system);
  const reports = storingReports(t, system);
  const [id] = system.ids as [string];
  const minute = Math.floor(Date.now() / MINUTE) * MINUTE;
  await reports.db.query("update integrations set config = config || '\\x9a01020864'::bytea"); // created in 1970
  await reports.stores(...heardFrom(minute - 8 * MINUTE, minute - 6 * MINUTE));
  await reports.stores(toldAt(id, minute - 7 * MINUTE + 1000, { received: 120n, delivered: 60n }));
  await reports.stores(...heardFrom(minute - 3 * MINUTE, Date.now()));
  // Also when a minute ends meanwhile, in the last whole one 600 were taken.
  for (const n of [1, 2, 3])
    await reports.stores(
      toldAt(id, minute + (n - 3) * MINUTE + 1000, {
        ...{ received: 120n + 600n * BigInt(n), delivered: 60n + 300n * BigInt(n) },
      }),
    );
  const page = await pageForTests(t, system.browser, system.base);
  const spark = page.getByRole('img', { name: /Taken over ten minutes: at most [\d.,]+ a second/ });
  await spark.waitFor();
  const path = (await spark.locator('path').getAttribute('d')) ?? '';
  assert.equal(path.match(/M/g)?.length, 2, path);
  await page.getByText('in 10/s · out 5/s').waitFor();
  await page.getByText('Columns', { exact: true }).click();
  await page.getByLabel('10 min').uncheck();
  await spark.waitFor({ state: 'detached' });
  await page.getByLabel('Delivered').check();
  await page.getByRole('button', { name: 'Sort by Delivered' }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.reload();
  await page.getByRole('button', { name: 'Sort by Delivered' }).waitFor();
  assert.equal(await page.getByRole('columnheader', { name: '10 min' }).count(), 0);
});
