import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { WEB_DIST, WebUi } from '../../src/rpc/web-ui.ts';
import { accessibilityFaults, browserForTests, pageForTests } from '../helpers/chromium.ts';
import { asAdmin, scopedSystem } from '../helpers/scoped.ts';
import { pageAs } from '../helpers/ui.ts';

const PASSWORD = 'correct horse battery';
const ANOTHER = 'staple correct horse';

/** Where a password that was typed could be found by others: all of it as one text. */
const leftBehind = (page: Page): Promise<string> =>
  page.evaluate(`[document.documentElement.outerHTML, location.href, JSON.stringify(localStorage),
    JSON.stringify(sessionStorage), JSON.stringify(history.state)].join()`);

test('users are made, changed, disabled and deleted; passwords stay nowhere; the audit tells who did it', async (t) => {
  const browser = await browserForTests(t);
  const system = await scopedSystem(t, { webUi: new WebUi(WEB_DIST) });
  const base = `http://${system.server.httpAddress}`;
  const page = await pageAs(t, browser, { base, path: '/access', ...asAdmin });
  const row = (name: string) => page.getByRole('row', { name: new RegExp(name) });

  await page.getByText('There is no user with a password').waitFor();
  await page.getByRole('button', { name: 'New user' }).click();
  await page.getByLabel('Name to log in with').fill('Ada@example.com');
  await page.getByLabel('Password').fill('short');
  assert.equal(await page.getByRole('button', { name: 'Make the user' }).isDisabled(), true);
  await page.getByText('this one has 5').waitFor();
  await page.getByLabel('Password').fill(PASSWORD);
  assert.doesNotMatch(await leftBehind(page), new RegExp(PASSWORD));
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.getByRole('button', { name: 'Make the user' }).click();
  await row('ada@example.com').getByText('may log in').waitFor();

  await row('ada@example.com').getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Role').selectOption('operator');
  await page.getByLabel('Only integrations whose name begins with').fill('North ');
  await page.getByLabel('and that have the labels').fill('team=energy');
  await page.getByRole('button', { name: 'Save' }).click();
  await row('ada@example.com').getByText('North *, team=energy').waitFor();
  const { user } = await system.users.getUser({ name: 'ada@example.com' }, asAdmin);
  assert.equal(user?.role, Role.OPERATOR);
  assert.deepEqual(user?.scope?.labels, { team: 'energy' });

  const hers = await pageForTests(t, browser, `${base}/login?next=/access`, /40[01]/);
  await hers.getByLabel('Name').fill('ada@example.com');
  await hers.getByLabel('Password').fill(PASSWORD);
  await hers.getByRole('button', { name: 'Log in', exact: true }).click();
  await hers.getByText('ada@example.com may not do this: it needs the role admin').first().waitFor();
  await hers.getByRole('button', { name: 'Change password' }).click();
  await hers.getByLabel('Password until now').fill('not this one');
  await hers.getByLabel(/^New password/).fill(ANOTHER);
  await hers.getByRole('button', { name: 'Change it' }).click();
  await hers.getByRole('alert').waitFor();
  await hers.getByLabel('Password until now').fill(PASSWORD);
  await hers.getByRole('button', { name: 'Change it' }).click();
  await hers.getByText('your other sessions have ended').waitFor();
  assert.doesNotMatch(await leftBehind(hers), new RegExp(`${PASSWORD}|${ANOTHER}`));

  await row('ada@example.com').getByRole('button', { name: 'Disable' }).click();
  await row('ada@example.com').getByText('disabled').waitFor();
  await row('ada@example.com').getByRole('button', { name: 'Delete' }).click();
  await page.getByLabel('Its name, to be sure').fill('ada@example.com');
  await page.getByRole('button', { name: 'Delete for ever' }).click();
  await page.getByText('There is no user with a password').waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);

  await page.getByRole('link', { name: 'Audit records' }).click();
  await row('UserService/DeleteUser').waitFor();
  await page.getByLabel('Who').fill('ada@example.com');
  await page.getByLabel('Who').press('Enter');
  await row('UserService/DeleteUser').waitFor({ state: 'detached' });
  await page.getByLabel('only what was refused').check();
  await row('invalid argument').waitFor();
  assert.equal(await page.getByRole('row').count(), 2, 'what was refused to ada, under the head');
  assert.equal(new URL(page.url()).search, '?who=ada%40example.com&result=refused');
  await page.goto(`${base}/audit?method=UserService/UpdateUser`);
  await page.locator('summary', { hasText: 'disabled' }).waitFor();
  await page.locator('summary', { hasText: 'role' }).click();
  await page.getByText('ROLE_OPERATOR').waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.goto(`${base}/audit?method=UserService/CreateUser`);
  await page.locator('summary').first().click();
  await page.getByText('a secret, which is not told').waitFor();
  assert.doesNotMatch(await leftBehind(page), new RegExp(PASSWORD));
  await page.goto(`${base}/audit?from=yesterday`);
  await page.getByText('“yesterday” is no time').waitFor();
});
