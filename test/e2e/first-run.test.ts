import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { accessibilityFaults, browserForTests, pageForTests } from '../helpers/chromium.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { dataDirectory, startDevForTests } from '../helpers/penstock.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** With PENSTOCK_TEST_WRITE_PICTURES=1 the pictures of docs/ are taken anew. */
const PICTURES = new URL('../../docs/pictures/', import.meta.url);

async function picture(page: Page, name: string, theme: 'light' | 'dark'): Promise<void> {
  if (process.env.PENSTOCK_TEST_WRITE_PICTURES !== '1') return;
  await mkdir(PICTURES, { recursive: true });
  await page.emulateMedia({ colorScheme: theme });
  await page.setViewportSize({ width: 1280, height: 720 });
  await page.screenshot({ path: new URL(`${name}.png`, PICTURES).pathname });
}

test('from an empty page to a delivery, in a browser and without a reload', {
  timeout: 240_000,
}, async (t) => {
  const endpoint = await httpEndpoint(t);
  const penstock = await startDevForTests(t, await dataDirectory(t));
  const browser = await browserForTests(t);
  const page = await pageForTests(t, browser, `${penstock.address('HTTP')}/`);
  await page.getByRole('heading', { name: 'There is no integration yet' }).waitFor();
  await page.evaluate('globalThis.isSame = true');
  await page.getByRole('link', { name: 'Make the first one' }).click();
  await page.getByLabel('Name required').fill('Cold chain');
  await page.getByLabel('Topic filters required').fill('plant/+/cold/#');
  await page.getByRole('radio', { name: /^HTTP/ }).check();
  await page.getByLabel('Rest endpoint URL required').fill(endpoint.url);
  await page.getByText('must contain at least 1 item').waitFor({ state: 'detached' });
  await picture(page, 'form', 'light');
  await page.getByRole('button', { name: 'Review and create' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await page.getByRole('heading', { name: 'Cold chain' }).waitFor();
  await page.locator('.state', { hasText: 'active' }).waitFor();

  await page.getByRole('button', { name: 'Check connection' }).click();
  await page.getByText('The target can be reached').waitFor();
  await page.getByRole('link', { name: 'Try it' }).click();
  await page.getByText('connected: 0x00').waitFor();
  await page.getByLabel('Topic', { exact: true }).fill('plant/1/clod/2');
  await page
    .getByText('No integration takes plant/1/clod/2. Close to it: plant/+/cold/# of Cold chain')
    .waitFor();
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByText('0x10: taken in, but no integration takes this topic').waitFor();
  await page.getByLabel('Topic', { exact: true }).fill('plant/1/cold/2');
  await page.getByText('Taken by Cold chain').waitFor();
  await page.getByRole('button', { name: 'Publish' }).click();
  await waitUntil('it is delivered', () => endpoint.received.some(({ method }) => method === 'POST'));
  await page.getByText('0x00: taken in', { exact: false }).last().waitFor();
  const became = page.getByRole('region', { name: 'What became of it' });
  await became.getByText('settled: delivered, or skipped by the delivery policy').waitFor();
  await page.getByLabel('Topic', { exact: true }).fill('another/topic');
  await page.getByText('No integration takes another/topic').waitFor();
  assert.equal(await became.getByText('settled: delivered').count(), 1, 'it is of what was published');
  await page.getByLabel('Topic', { exact: true }).fill('plant/1/cold/2');
  assert.deepEqual(await accessibilityFaults(page), []);
  await picture(page, 'try', 'light');
  await page.getByRole('link', { name: 'Cold chain' }).first().click();
  await page.getByText(/^last delivered: /).waitFor();
  await picture(page, 'integration', 'dark');

  await page.getByRole('link', { name: 'Events' }).first().click();
  await page.getByRole('cell', { name: 'active', exact: true }).first().waitFor();
  await page.getByRole('link', { name: 'Nodes' }).click();
  await page.getByText(/control plane, /).waitFor();
  await page.getByRole('link', { name: 'Integrations' }).first().click();
  await page.getByRole('link', { name: 'Cold chain' }).waitFor();

  // What stops is told with its reason, within seconds.
  await endpoint.stop();
  await page.getByRole('link', { name: 'New integration' }).click();
  await page.getByLabel('Name required').fill('Mirror to headquarters');
  await page.getByLabel('Topic filters required').fill('#');
  await page.getByRole('radio', { name: /^MQTT/ }).check();
  await page.getByLabel('Host required').fill('127.0.0.1');
  await page.getByLabel('Port', { exact: true }).fill('9');
  await page.getByRole('button', { name: 'Review and create' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await page.locator('.state', { hasText: 'failed' }).waitFor();
  await page
    .getByText(/mqtt:\/\/127\.0\.0\.1:9 was not reached/)
    .first()
    .waitFor();
  await page.getByRole('link', { name: 'Integrations' }).first().click();
  await page.getByRole('row', { name: /failed Mirror to headquarters mqtt:.* was not reached/ }).waitFor();
  await picture(page, 'list', 'light');
  assert.equal(await page.evaluate('globalThis.isSame'), true, 'the page was never loaded anew');
});
