import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { ValidationKind } from '../../gen/penstock/v1/downlink_pb.ts';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { accessibilityFaults, pageForTests } from '../helpers/chromium.ts';
import { HTTP_WITH_SECRET } from '../helpers/control-plane.ts';
import { uiForTests } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const control = (page: Page, path: string) => page.locator(`[id="field-${path}"]`);

test('the form shows what a message is sent as, how far a check came, and what came back of a message', async (t) => {
  const { client, executor, browser, base } = await uiForTests(t, []);
  const { integration } = await client.createIntegration({ integration: HTTP_WITH_SECRET });
  const page = await pageForTests(
    t,
    browser,
    `${base}/integrations/${integration!.id}/edit#http.body_template`,
  );
  await control(page, 'http.body_template').waitFor();
  await waitUntil(
    'the field of the link has the focus',
    async () => (await page.evaluate('document.activeElement.id')) === 'field-http.body_template',
  );
  const preview = page.getByRole('complementary', { name: 'Preview' });
  const written = preview.getByRole('region', { name: 'What would be sent' });

  await control(page, 'http.body_template').fill('{"t": ${payload.temperature}}');
  await preview.getByLabel('Payload', { exact: true }).first().fill('{"temperature": 21.50}');
  await waitUntil(
    'the body is written',
    async () => (await written.getByLabel('Payload', { exact: true }).inputValue()) === '{\n  "t": 21.50\n}',
  );
  assert.match((await written.textContent()) ?? '', /POST http:\/\/127\.0\.0\.1:9999\/in/);
  await preview.getByLabel('Payload', { exact: true }).first().fill('none');
  await preview.getByText('${payload.temperature} has no value in this message').waitFor();
  await preview.getByRole('button', { name: 'http.body_template' }).click();
  assert.equal(await page.evaluate('document.activeElement.id'), 'field-http.body_template');
  await preview.getByLabel('Payload', { exact: true }).first().fill('{"temperature": 1}');

  executor.answer = ({ kind }) =>
    kind === ValidationKind.CHECK_CONNECTION
      ? {
          message: 'the endpoint answers 401',
          field: 'http.credentials.basic',
          steps: [
            { name: 'TCP', ok: true, detail: 'connected', duration: { seconds: 0n, nanos: 1_500_000 } },
            { name: 'authentication', ok: false, detail: 'the endpoint answers 401' },
          ],
        }
      : {
          trial: {
            failureClass: FailureClass.REJECTED,
            reason: 'it says no',
            sent: 'POST /in',
            answer: 'status 422',
          },
        };
  await page.getByRole('button', { name: 'Check connection' }).click();
  const steps = page.getByRole('list', { name: 'Steps' });
  await steps.waitFor();
  assert.deepEqual(await steps.getByRole('listitem').allTextContents(), [
    '✓ TCP connected 1.5 ms',
    '✗ authentication the endpoint answers 401',
  ]);
  await page.getByRole('button', { name: 'http.credentials.basic' }).click();
  const focused = 'document.activeElement.closest("[data-path]").dataset.path';
  assert.equal(await page.evaluate(focused), 'http.credentials');

  executor.asked.length = 0;
  await preview.getByRole('button', { name: 'Deliver this message now' }).click();
  await preview.getByText(/^Not delivered.*it says no, says executor/).waitFor();
  assert.equal(await preview.getByLabel('What came back').inputValue(), 'status 422');
  const tried = executor.asked.filter(({ kind }) => kind === ValidationKind.TRY_DELIVERY);
  assert.deepEqual(
    tried.map(({ envelope }) => Buffer.from(envelope!.payload).toString()),
    ['{"temperature": 1}'],
  );
  assert.equal(await page.getByText('This is older than your changes').count(), 0);
  assert.deepEqual(await accessibilityFaults(page), []);
  await control(page, 'http.body_template').fill('another');
  await page.getByText('This is older than your changes').nth(1).waitFor();
  assert.doesNotMatch(await page.content(), /hunter2/);
});

test('a message is tried from the page of an integration, and what was typed is there again', async (t) => {
  const { executor, ids, browser, base } = await uiForTests(t, ['one']);
  executor.answer = () => ({ trial: { delivered: true, sent: 'POST', answer: '200' } });
  const page = await pageForTests(t, browser, `${base}/integrations/${ids[0]}`);
  await page.getByRole('button', { name: 'Try a message' }).click();
  const dialog = page.getByRole('dialog', { name: 'Try a message with one' });
  await dialog.getByLabel('Topic').fill('typed/topic');
  await dialog.getByRole('button', { name: 'Deliver this message now' }).click();
  await dialog.getByText(/^Delivered.*says executor/).waitFor();
  assert.equal(executor.asked.at(-1)?.envelope?.topicName, 'typed/topic');
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.reload();
  await page.getByRole('button', { name: 'Try a message' }).click();
  assert.equal(await dialog.getByLabel('Topic').inputValue(), 'typed/topic');
});

test('a review tells what a save does, and a key in the place of a certificate is told', async (t) => {
  const { client, browser, base } = await uiForTests(t, []);
  const { integration } = await client.createIntegration({
    integration: { ...HTTP_WITH_SECRET, enabled: true },
  });
  const page = await pageForTests(t, browser, `${base}/integrations/${integration!.id}/edit`, /400/);
  const tls = page.locator('[data-path="http.tls"]');
  await tls.getByRole('checkbox', { name: 'Set' }).check();
  const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n';
  await tls.getByLabel('CA cert from a file').setInputFiles({
    name: 'key.pem',
    mimeType: 'text/plain',
    buffer: Buffer.from(key),
  });
  await tls.getByText('There is a private key in it, where a certificate belongs.').waitFor();
  assert.equal(await control(page, 'http.tls.ca_cert').inputValue(), key);
  await tls.getByRole('checkbox', { name: 'Set' }).first().uncheck();
  await page.locator('[data-path="http.credentials"]').getByRole('radio', { name: 'Not set' }).check();
  await page.getByRole('button', { name: /^Review and/ }).click();
  const told = page.getByRole('list', { name: 'What comes of it' });
  await told.waitFor();
  assert.deepEqual(await told.getByRole('listitem').allTextContents(), [
    'It restarts the delivery: what is on its way comes again.',
    'It removes a stored secret: http.credentials.basic.password.',
  ]);
});
