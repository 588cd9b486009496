import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { accessibilityFaults, pageForTests } from '../helpers/chromium.ts';
import { envelope, giveUp, messagesOf } from '../helpers/messages.ts';
import { uiForTests } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** An integration with dead letters, and its page. */
async function lettersForTests(t: TestContext, count: number, query = '') {
  const system = await uiForTests(t, ['to http']);
  const id = system.ids[0]!;
  if (count > 0) await giveUp(system, id, [0, count]);
  const url = `${system.base}/integrations/${id}/dead-letters${query}`;
  const list = async (filter = {}) =>
    (await system.deadLetters.listDeadLetters({ integrationId: id, filter })).deadLetters;
  return { ...system, id, url, list };
}

const rows = (page: Page) => page.getByRole('table', { name: 'Dead letters' }).locator('tbody tr');

test('dead letters: the filter is the URL, groups are of what is loaded, and no match says so', async (t) => {
  const system = await lettersForTests(t, 60);
  await giveUp(system, system.id, [60, 62], { failureClass: FailureClass.TIMEOUT, reason: 'no answer' });
  const page = await pageForTests(t, system.browser, system.url);
  await page.getByText('62 dead letters').waitFor();
  assert.equal(await rows(page).count(), 50);
  await page.getByRole('button', { name: 'Older ones' }).click();
  await rows(page).nth(61).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Older ones' }).count(), 0);
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.getByRole('button', { name: '2 × timeout: no answer' }).click();
  await rows(page).nth(2).waitFor({ state: 'detached' });
  assert.equal(new URL(page.url()).searchParams.get('group'), 'timeout: no answer');
  await page.getByRole('button', { name: 'timeout', exact: true }).click();
  await page.getByText('2 dead letters', { exact: false }).waitFor();
  await page.getByLabel('Client identifier').fill('c1');
  await page.getByLabel('Client identifier').press('Enter');
  await page.getByText('1 dead letter', { exact: false }).waitFor();
  await page.reload();
  await page.getByText('1 dead letter', { exact: false }).waitFor();
  assert.equal(await rows(page).count(), 1);
  await page.getByLabel('Topic filter').fill('other/#');
  await page.getByLabel('Topic filter').press('Enter');
  await page.getByRole('heading', { name: 'No dead letter is like that' }).waitFor();
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.getByText('62 dead letters').waitFor();
});

test('a filter that makes no sense finds nothing and puts nothing back', async (t) => {
  const { browser, url } = await lettersForTests(t, 2, '?class=nothing');
  const page = await pageForTests(t, browser, url);
  await page.getByText('There is no failure class “nothing”.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Redrive…' }).count(), 0);
  await page.getByLabel('Topic filter').fill('a/#/b');
  await page.getByRole('link', { name: 'overview' }).click();
  await page.getByLabel('Parts').getByRole('link', { name: 'dead letters' }).click();
  await page.getByText('2 dead letters').waitFor();
});

test('an integration without dead letters says so', async (t) => {
  const { browser, url } = await lettersForTests(t, 0);
  const page = await pageForTests(t, browser, url);
  await page.getByRole('heading', { name: 'No dead letters' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Redrive…' }).isDisabled(), true);
});

test('one dead letter: its payload, properties and place, and putting it back', async (t) => {
  const system = await lettersForTests(t, 1);
  const { id, browser, url, list } = system;
  const text = '{"id":12345678901234567890,"html":"<img src=x onerror=alert(1)>"}';
  const inside = {
    payload: Buffer.from(text),
    contentType: 'application/json',
    userProperties: [{ key: 'site', value: 'north' }],
  };
  await giveUp(system, id, [1, 2], {
    envelope: envelope(1, inside),
    reason: 'HTTP 422',
    partition: 3,
    offset: 9n,
  });
  await giveUp(system, id, [2, 3], { envelope: envelope(2, { payload: Buffer.alloc(9000, 255) }) });
  const page = await pageForTests(t, browser, url);
  await page.getByRole('button', { name: 'Open 0-1' }).click();
  const dialog = page.getByRole('dialog', { name: 'Dead letter 0-1' });
  const payload = dialog.getByRole('textbox', { name: 'Payload' });
  assert.match(await payload.inputValue(), /^\{\n {2}"id": 12345678901234567890,\n/);
  await dialog.getByRole('row', { name: 'user property site north' }).waitFor();
  await dialog.getByRole('row', { name: 'was at partition 3, offset 9 of the message topic' }).waitFor();
  await dialog.getByText('rejected: HTTP 422').waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await dialog.getByRole('button', { name: 'text' }).click();
  assert.equal(await payload.inputValue(), text);
  assert.equal(await page.locator('img').count(), 0);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    dialog.getByRole('button', { name: 'Save as a file' }).click(),
  ]);
  assert.equal(download.suggestedFilename(), 'dead-letter-0-1.bin');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Open 0-2' }).click();
  const long = page.getByRole('dialog', { name: 'Dead letter 0-2' });
  assert.equal((await long.getByRole('textbox').inputValue()).split('\n').length, 4096 / 16);
  await long.getByRole('button', { name: 'Show more' }).click();
  await long.getByText('Show more').waitFor({ state: 'detached' });
  assert.equal((await long.getByRole('textbox').inputValue()).split('\n').length, Math.ceil(9000 / 16));

  await page.goto(`${url}?client=nobody&letter=0-1`); // a link to one that the filter does not find
  await dialog.getByText('rejected: HTTP 422').waitFor();
  await dialog.getByRole('button', { name: 'Redrive this one' }).click();
  const asked = page.getByRole('dialog', { name: 'Redrive to to http?' });
  await asked.getByText('Puts dead letter 0-1 on its message topic again').waitFor();
  assert.equal((await list()).length, 3);
  await asked.getByRole('button', { name: 'Redrive' }).click();
  await page.getByText('Put back: 1 of 1.').waitFor();
  assert.deepEqual(
    (await list()).map((one) => one.id),
    ['0-2', '0-0'],
  );
  const messages = await messagesOf(system, id);
  assert.deepEqual(
    messages.map(({ value }) => Buffer.from(value!).includes(text)),
    [true],
  );
});

test('a redrive of what the filter finds counts first, tells how far it is, goes on without its tab, and stops when told', async (t) => {
  const system = await lettersForTests(t, 30);
  const { browser, base, url, id, list, deadLetters } = system;
  const page = await pageForTests(t, browser, `${url}?client=c1`);
  await page.getByText('10 dead letters').waitFor();
  await page.getByRole('button', { name: 'Redrive…' }).click();
  const asked = page.getByRole('dialog', { name: 'Redrive to to http?' });
  await asked.getByText('Puts 10 dead letters that the filter finds on its message topic again').waitFor();
  await asked.getByText('10 are there to be put back.').waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await asked.getByLabel('Messages in a second').fill('no number');
  assert.equal(await asked.getByRole('button', { name: 'Redrive' }).isDisabled(), true);
  await asked.getByLabel('Messages in a second').fill('1');
  await asked.getByRole('button', { name: 'Redrive' }).click();
  await page.getByText(/^Putting back: [1-9] of 10/).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Redrive…' }).isDisabled(), true);
  await page.close(); // asks nothing

  const other = await pageForTests(t, browser, `${base}/nodes`);
  await other.getByRole('link', { name: '1 replay or redrive runs' }).click();
  const row = other.getByRole('table', { name: 'Redrives' }).locator('tbody tr');
  await row.getByText('client c1').waitFor();
  await row.getByText(/^\d+ of 10/).waitFor();
  assert.deepEqual(await accessibilityFaults(other), []);
  await row.getByRole('link', { name: 'to http' }).click();
  await other.getByText(/^Putting back: [1-9] of 10/).waitFor();
  await other.getByRole('button', { name: 'Stop' }).click();
  await other.getByText(/^Stopped\. Put back: [1-9] of 10\./).waitFor();
  const [redrive] = (await deadLetters.listRedrives({ integrationId: id })).redrives;
  await waitUntil('as many are left', async () => {
    const [now] = (await deadLetters.listRedrives({ integrationId: id })).redrives;
    return (await list({ clientId: 'c1' })).length === 10 - Number(now?.redriven);
  });
  assert.ok(redrive!.redriven > 0n && redrive!.redriven < 10n);
  assert.equal((await list({ clientId: 'c0' })).length, 10);
});

test('half of many dead letters, of one reason of two, are put back by a filter, and the rest is untouched', async (t) => {
  const system = await lettersForTests(t, 0);
  const { browser, base, id, list, deadLetters } = system;
  for (let n = 0; n < 500; n += 50) {
    await giveUp(system, id, [n, n + 25], { reason: 'HTTP 422' });
    await giveUp(system, id, [n + 25, n + 50], { failureClass: FailureClass.TIMEOUT, reason: 'no answer' });
  }
  const page = await pageForTests(t, browser, `${base}/dead-letters`);
  // They are counted while the page is open.
  await page
    .getByRole('table', { name: 'Integrations with dead letters' })
    .getByText('500', { exact: true })
    .waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.getByRole('link', { name: 'to http' }).click();
  await page.getByText('500 dead letters').waitFor();
  await page.getByRole('button', { name: '25 × timeout: no answer' }).waitFor();
  await page.getByRole('button', { name: 'timeout', exact: true }).click();
  await page.getByText('at least', { exact: false }).or(page.getByText('250 dead letters')).first().waitFor();
  await page.getByRole('button', { name: 'Redrive…' }).click();
  const asked = page.getByRole('dialog', { name: 'Redrive to to http?' });
  await asked.getByText('250 are there to be put back.').waitFor();
  await asked.getByLabel('Messages in a second').fill('50');
  await asked.getByRole('button', { name: 'Redrive' }).click();
  await page.getByText(/^Putting back: \d+ of 250/).waitFor();
  await page.close();
  const redrive = async () => (await deadLetters.listRedrives({})).redrives[0]!;
  assert.equal((await redrive()).finishTime, undefined, 'it goes on');
  await waitUntil('it is over', async () => (await redrive()).finishTime !== undefined);
  assert.deepEqual([(await redrive()).total, (await redrive()).redriven], [250n, 250n]);
  const { totalSize } = await deadLetters.listDeadLetters({ integrationId: id });
  assert.equal(totalSize, 250n);
  assert.deepEqual(await list({ failureClasses: [FailureClass.TIMEOUT] }), []);
  assert.equal((await messagesOf(system, id)).length, 250);
  const again = await pageForTests(t, browser, `${base}/integrations/${id}`);
  await again.getByRole('link', { name: '250 dead letters' }).waitFor();
  await again.getByRole('button', { name: 'Delete' }).click();
  await again.getByText(/250 dead letters: they go with it/).waitFor();
});

test('a group that is chosen is put back, and no other', async (t) => {
  const system = await lettersForTests(t, 3);
  const { id, browser, url, list } = system;
  await giveUp(system, id, [3, 5], { reason: 'the same' });
  const page = await pageForTests(t, browser, url);
  await page.getByRole('button', { name: '2 × rejected: the same' }).click();
  await page.getByRole('button', { name: 'Redrive these 2…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Redrive' }).click();
  await page.getByText('Put back: 2 of 2.').waitFor();
  assert.deepEqual(
    (await list()).map((one) => one.id),
    ['0-2', '0-1', '0-0'],
  );
  await page.getByText('3 dead letters').waitFor();
});

test('a purge is done only by the name, and counts what goes', async (t) => {
  const { browser, url, list } = await lettersForTests(t, 4);
  const page = await pageForTests(t, browser, `${url}?client=c0`);
  await page.getByText('2 dead letters').waitFor();
  await page.getByRole('button', { name: 'Purge…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Purge the dead letters of to http?' });
  await dialog.getByText('4 dead letters in all').waitFor();
  const sure = dialog.getByRole('button', { name: 'Purge' });
  await dialog.getByLabel('Its name, to be sure').fill('to htt');
  assert.equal(await sure.isDisabled(), true);
  await dialog.getByLabel('Its name, to be sure').fill('to http');
  await sure.click();
  await page.getByRole('heading', { name: 'No dead letter is like that' }).waitFor();
  assert.equal((await list({ includeRedriven: true })).length, 0);
});
