import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Page } from 'playwright-core';
import { accessibilityFaults, pageForTests } from '../helpers/chromium.ts';
import { commitForExecutors } from '../helpers/committing.ts';
import { envelope, giveUp, publish } from '../helpers/messages.ts';
import { uiForTests } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const table = (page: Page) => page.getByRole('table', { name: 'Messages' });
const rows = (page: Page) => table(page).locator('tbody tr:not(.gap)');
const isLive = (page: Page) => page.getByText('live', { exact: true }).waitFor();

/** How many the page says it was told of, and how many it was not. */
async function toldOn(page: Page): Promise<{ told: number; leftOut: number }> {
  const text = (await page.locator('.actions.found p').first().textContent()) ?? '';
  const [, told = '0', leftOut = '0'] = /([\d,]+) messages(?:, ([\d,]+) left out)?$/.exec(text.trim()) ?? [];
  return { told: Number(told.replaceAll(',', '')), leftOut: Number(leftOut.replaceAll(',', '')) };
}

test('messages of an integration', { timeout: 200_000 }, async (t) => {
  const system = await uiForTests(t, ['to http', 'busy']);
  const { browser, base, ids, bus, topics } = system;
  const [id, busy] = [ids[0]!, ids[1]!];
  await publish(system, id, [0, 6]);
  const topic = topics.messages(id).name;

  await t.test(
    'the last ones and those that come, with what becomes of them, and by what is asked for',
    async (s) => {
      const page = await pageForTests(s, browser, `${base}/messages`);
      await page.getByLabel('Of which integration?').fill('http');
      await page.getByRole('list', { name: 'Integrations' }).getByRole('link', { name: 'to http' }).click();
      await isLive(page);
      await rows(page).nth(5).waitFor();
      await publish(system, id, [6, 8]);
      await rows(page).nth(7).waitFor();
      await giveUp(system, id, [7, 8], {
        offset: 7n,
        lastAttemptTime: timestampFromMs(Date.now()),
        reason: 'HTTP 422',
      });
      await commitForExecutors(system, [{ topic, partition: 0, offset: 3 }]);
      await rows(page).first().getByText('dead letter').waitFor();
      await rows(page).nth(7).getByText('settled').waitFor();
      await rows(page).nth(2).getByText('waiting').waitFor();
      assert.deepEqual(await accessibilityFaults(page), []);
      await page.getByLabel('Topic filter').fill('sensors/1');
      await page.getByLabel('Topic filter').press('Enter');
      await waitUntil('the server filters', async () => (await rows(page).count()) === 4);
      await page.getByRole('button', { name: 'waiting' }).click();
      await waitUntil('and by stage', async () => (await rows(page).count()) === 2);
      await page.getByLabel('Text, of what is shown').fill('c2');
      await waitUntil('and by text', async () => (await rows(page).count()) === 1);
      await page.reload();
      await waitUntil('a link shows the same', async () => (await rows(page).count()) === 1);
      await page.getByLabel('Topic filter').fill('a/#/b');
      await page.getByLabel('Topic filter').press('Enter');
      await page.getByText('Nothing is looked for until that is changed.').waitFor();
    },
  );

  await t.test('one message: its way, its payload, its dead letter, and commands for it', async (s) => {
    const payload = Buffer.from('<img src=x onerror=alert(1)>');
    await bus.send(topic, { key: 'c', value: envelope(8, { payload, node: 'in-0' }) });
    const page = await pageForTests(s, browser, `${base}/integrations/${id}/messages`, /404 .*GetMessage$/);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Open 0-8' }).click();
    const dialog = page.getByRole('dialog', { name: 'Message 0-8' });
    await dialog.getByText('published by c2 via in-0').waitFor();
    assert.equal(await dialog.getByRole('textbox', { name: 'Payload' }).inputValue(), payload.toString());
    assert.deepEqual(await accessibilityFaults(page), []);
    await dialog.getByRole('button', { name: 'Copy as mosquitto_pub' }).click();
    await dialog.getByRole('button', { name: 'Copied' }).waitFor();
    assert.match(
      String(await page.evaluate('navigator.clipboard.readText()')),
      /^mosquitto_pub -h "\$PENSTOCK_INGRESS" .*onerror/,
    );
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Open 0-7' }).click();
    await page.getByText('given up by e1 after 1 attempt: HTTP 422').waitFor();
    await page.getByRole('link', { name: 'Dead letter 0-0' }).click();
    await page.getByRole('dialog', { name: 'Dead letter 0-0' }).waitFor();
    await page.goto(`${base}/integrations/${id}/messages?message=0-99`);
    await page.getByText('It is not there any more').waitFor();
  });

  await t.test(
    'at 500 a second all are shown or counted, few are drawn, and a pause holds the view',
    async (s) => {
      const page = await pageForTests(s, browser, `${base}/messages?integration=${busy}`);
      await isLive(page);
      let sent = 0;
      const send = async (count: number) => {
        await publish(system, busy, [sent, sent + count]);
        sent += count;
      };
      for (let i = 0; i < 30; i++) {
        await send(50);
        await sleep(100);
      }
      // However fast that is: it goes on until more came in a second than is told.
      await waitUntil('some are left out', async () => {
        await send(2000);
        return (await toldOn(page)).leftOut > 0;
      });
      await waitUntil('all are shown or counted', async () => {
        const { told, leftOut } = await toldOn(page);
        return told + leftOut === sent;
      });
      const { told, leftOut } = await toldOn(page);
      assert.ok(told >= 500 && leftOut > 0, `${told} told, ${leftOut} left out`);
      const drawn = await page.locator('main *').count();
      assert.ok(drawn < 800, `${drawn} elements`);
      await table(page).getByText('left out: more came than are shown').first().waitFor();

      await page.locator('h1').click();
      await page.keyboard.press('Space');
      const button = page.getByRole('button', { name: 'Paused: 0 new' });
      await button.waitFor();
      const before = await table(page).textContent();
      await send(20);
      await page.getByRole('button', { name: 'Paused: 20 new' }).waitFor();
      assert.equal(await table(page).textContent(), before);
      await page.keyboard.press('Space');
      await page.getByRole('button', { name: 'Pause', exact: true }).waitFor();
      await waitUntil('it goes on', async () => (await table(page).textContent()) !== before);
      await page.mouse.wheel(0, 1200);
      await page.getByRole('button', { name: /^Paused: / }).waitFor();
    },
  );
});
