import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { accessibilityFaults, pageForTests } from '../helpers/chromium.ts';
import { uiForTests } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const control = (page: Page, path: string) => page.locator(`[id="field-${path}"]`);
const review = async (page: Page) => page.getByRole('button', { name: /^Review and/ }).click();

test('an integration is made by the form: what is wrong is told at its field, and what is right is stored', async (t) => {
  const { client, browser, base } = await uiForTests(t, []);
  const page = await pageForTests(t, browser, `${base}/integrations`, /400|409/);
  await page.getByRole('link', { name: 'New integration' }).click();
  await control(page, 'name').fill('made by hand');
  await page.getByRole('radio', { name: /^HTTP/ }).check();
  await control(page, 'http.rest_endpoint_url').fill('not a URL');
  await review(page);
  await page.getByText('What has to be put right first').waitFor();
  const problem = page.locator('[data-path="http.rest_endpoint_url"] .problem');
  assert.match((await problem.textContent()) ?? '', /must be an absolute http or https URL/);
  assert.match(
    (await page.locator('[data-path="topic_filters"] .problem').textContent()) ?? '',
    /at least 1/,
  );
  await page.getByRole('button', { name: /^topic_filters: / }).click();
  assert.equal(await page.evaluate('document.activeElement.id'), 'field-topic_filters');
  assert.deepEqual(await accessibilityFaults(page), []);
  assert.equal((await client.listIntegrations({})).totalSize, 0, 'nothing is sent');

  await control(page, 'topic_filters').fill('sensors/#\nalarms/+');
  await control(page, 'http.rest_endpoint_url').fill('https://example.com/in');
  await control(page, 'http.request_method').selectOption({ label: 'Put' });
  await control(page, 'http.connect_timeout').fill('2.5s');
  await control(page, 'http.send_only_msg_payload').check();
  await page.getByRole('button', { name: 'Add to Headers' }).click();
  await page.getByLabel('Headers: name 1').fill('x-site');
  await page.getByLabel('Headers: value 1').fill('berlin');
  await page.locator('[data-path="http.credentials"]').getByRole('radio', { name: 'Basic' }).check();
  await control(page, 'http.credentials.basic.username').fill('me');
  await control(page, 'http.credentials.basic.password').fill('hunter2');
  await review(page);
  const dialog = page.getByRole('dialog', { name: 'What is made' });
  await dialog.waitFor();
  assert.doesNotMatch(await page.content(), /hunter2/);
  await dialog.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('heading', { name: 'made by hand' }).waitFor();
  const [stored] = (await client.listIntegrations({})).integrations;
  assert.deepEqual(stored?.topicFilters, ['sensors/#', 'alarms/+']);
  assert.deepEqual(stored.setSecrets, ['http.credentials.basic.password']);
  assert.equal(stored.configuration.case, 'http');
  const { value } = stored.configuration;
  assert.deepEqual(
    [
      value.restEndpointUrl,
      value.requestMethod,
      value.connectTimeout?.nanos,
      value.sendOnlyMsgPayload,
      value.headers,
    ],
    ['https://example.com/in', 2, 500_000_000, true, { 'x-site': 'berlin' }],
  );
});

test('what only an executor finds is told at its field before anything is saved', async (t) => {
  const { executor, browser, base } = await uiForTests(t, []);
  executor.answer = () => ({
    violations: [{ field: 'http.headers', description: 'the executor does not like them' }],
  });
  const page = await pageForTests(t, browser, `${base}/integrations/new`, /400/);
  await page.getByRole('radio', { name: /^HTTP/ }).check();
  await control(page, 'name').fill('n');
  await control(page, 'topic_filters').fill('a');
  await control(page, 'http.rest_endpoint_url').fill('http://127.0.0.1:9/');
  await waitUntil('an executor was asked', () => executor.asked.length > 0);
  await page.getByText('1 to put right').waitFor();
  await review(page);
  await page.locator('[data-path="http.headers"] .problem').filter({ hasText: 'does not like' }).waitFor();
});

test('an edit changes what was changed, and keeps the secret that is stored', async (t) => {
  const { client, ids, browser, base } = await uiForTests(t, ['before']);
  const id = ids[0]!;
  const basic = { credentials: { case: 'basic' as const, value: { username: 'me', password: 'hunter2' } } };
  await client.updateIntegration({
    integration: {
      id,
      metadata: { kept: 'yes' },
      configuration: { case: 'http', value: { credentials: basic } },
    },
    updateMask: { paths: ['metadata', 'http.credentials'] },
  });
  const page = await pageForTests(t, browser, `${base}/integrations/${id}`);
  await page.getByRole('link', { name: 'Edit' }).click();
  await page.getByText('nothing is changed').waitFor();
  assert.equal(
    await control(page, 'http.credentials.basic.password').getAttribute('placeholder'),
    'stored, and kept',
  );
  await control(page, 'name').fill('after');
  await page.getByText('1 changed').waitFor();
  await review(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: 'after' }).waitFor();
  const { integration } = await client.getIntegration({ id });
  assert.deepEqual(
    [integration?.name, integration?.metadata, integration?.setSecrets],
    ['after', { kept: 'yes' }, ['http.credentials.basic.password']],
  );
});

test('a draft outlives a reload, without its secret', async (t) => {
  const { browser, base } = await uiForTests(t, []);
  const page = await pageForTests(t, browser, `${base}/integrations/new`);
  page.on('dialog', (dialog) => void dialog.accept());
  await control(page, 'name').fill('half done');
  await page.getByRole('radio', { name: /^HTTP/ }).check();
  await page.locator('[data-path="http.credentials"]').getByRole('radio', { name: 'Bearer' }).check();
  await control(page, 'http.credentials.bearer.token').fill('hunter2');
  await page.reload();
  await page
    .locator('[data-path="http.credentials"]')
    .getByRole('radio', { name: 'Bearer', checked: true })
    .waitFor();
  assert.equal(await control(page, 'name').inputValue(), 'half done');
  assert.equal(await control(page, 'http.credentials.bearer.token').inputValue(), '');
  await page.getByText('give it again.').waitFor();
  const kept = await page.evaluate('JSON.stringify([sessionStorage, localStorage])');
  assert.match(String(kept), /half done/);
  assert.doesNotMatch(String(kept), /hunter2/);
});

test('two people edit one integration: what each changed alone is kept, and what both changed is asked', async (t) => {
  const { client, ids, browser, base } = await uiForTests(t, ['base']);
  const id = ids[0]!;
  const page = await pageForTests(t, browser, `${base}/integrations/${id}/edit`, /409/);
  await control(page, 'name').fill('mine');
  await control(page, 'description').fill('my words');
  await control(page, 'topic_filters').fill('mine/#');
  await client.updateIntegration({
    integration: { id, name: 'theirs', topicFilters: ['theirs/#'], labels: { of: 'them' } },
    updateMask: { paths: ['name', 'topic_filters', 'labels'] },
  });
  await review(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  const conflict = page.getByRole('dialog', { name: 'Somebody saved it meanwhile' });
  await conflict.getByText('They changed, and it stays: labels').waitFor();
  await conflict.getByText('You changed, and it stays: description').waitFor();
  await conflict.getByRole('radio', { name: 'mine: mine', exact: true }).check();
  await conflict.getByRole('button', { name: 'Go on with that' }).click();
  await page
    .getByRole('dialog', { name: 'What changes' })
    .getByRole('button', { name: 'Back to the form' })
    .click();
  assert.equal(await control(page, 'topic_filters').inputValue(), 'theirs/#', 'what came of it stands there');
  await review(page);
  await page.getByRole('dialog', { name: 'What changes' }).getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: 'mine' }).waitFor();
  const { integration } = await client.getIntegration({ id });
  assert.deepEqual(
    [integration?.name, integration?.description, integration?.topicFilters],
    ['mine', 'my words', ['theirs/#']],
  );
});

test('a copy says which secrets it has not, and another type keeps what both have', async (t) => {
  const { client, ids, browser, base } = await uiForTests(t, ['original']);
  const basic = { credentials: { case: 'basic' as const, value: { username: 'me', password: 'hunter2' } } };
  await client.updateIntegration({
    integration: {
      id: ids[0]!,
      configuration: { case: 'http', value: { credentials: basic, bodyTemplate: '{"v": 1}' } },
    },
    updateMask: { paths: ['http.credentials', 'http.body_template'] },
  });
  const page = await pageForTests(t, browser, `${base}/integrations/${ids[0]}`);
  await page.getByRole('link', { name: 'Duplicate' }).click();
  await page.getByText('To give again: http.credentials.basic.password').waitFor();
  assert.equal(await control(page, 'name').inputValue(), 'original (copy)');
  await page.getByRole('radio', { name: /^KAFKA/ }).check();
  assert.equal(await control(page, 'kafka.body_template').inputValue(), '{"v": 1}');
  await page.getByRole('radio', { name: /^HTTP/ }).check();
  assert.equal(await control(page, 'http.rest_endpoint_url').inputValue(), 'http://127.0.0.1:9999/in');
});

test('what cannot be read in a control goes with it', async (t) => {
  const { browser, base } = await uiForTests(t, []);
  const page = await pageForTests(t, browser, `${base}/integrations/new`, /400/);
  await control(page, 'name').fill('n');
  await control(page, 'topic_filters').fill('a');
  await page.getByRole('radio', { name: /^KAFKA/ }).check();
  await control(page, 'kafka.buffer_memory_bytes').fill('much');
  await page.getByRole('radio', { name: /^HTTP/ }).check();
  await control(page, 'http.rest_endpoint_url').fill('http://127.0.0.1:9/');
  await review(page);
  await page.getByRole('dialog', { name: 'What is made' }).waitFor();
});

test('the draft of a copy is its own, and outlives a reload', async (t) => {
  const { ids, browser, base } = await uiForTests(t, ['original']);
  const page = await pageForTests(t, browser, `${base}/integrations/new?from=${ids[0]}`);
  page.on('dialog', (dialog) => void dialog.accept());
  await control(page, 'name').fill('half a copy');
  await page.reload();
  await control(page, 'name').waitFor();
  assert.equal(await control(page, 'name').inputValue(), 'half a copy');
  await page.goto(`${base}/integrations/new`);
  assert.equal(await control(page, 'name').inputValue(), '');
});
