import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { WEB_DIST, WebUi } from '../../src/rpc/web-ui.ts';
import { accessibilityFaults, browserForTests, pageForTests } from '../helpers/chromium.ts';
import { asAdmin, INSIDE, OUTSIDE, SCOPE, scopedSystem } from '../helpers/scoped.ts';
import { pageAs } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('who logs in sees and may do what the role and the scope allow, and nothing of who was there before', async (t) => {
  const browser = await browserForTests(t);
  const system = await scopedSystem(t, { webUi: new WebUi(WEB_DIST) });
  const { made, tokenOf } = system;
  const [inside] = [await made(), await made(OUTSIDE)];
  const admin = await tokenOf(Role.EDITOR, { namePrefix: 'South', labels: {} });
  const viewer = await tokenOf(Role.VIEWER);
  const base = `http://${system.server.httpAddress}`;
  const page = await pageForTests(t, browser, `${base}/integrations?q=1`, /401/);
  const logIn = async (token: string) => {
    await page.getByRole('button', { name: 'with an API token' }).click();
    await page.getByLabel('API token').fill(token);
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
  };
  await page.getByRole('heading', { name: 'Penstock' }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await logIn('pst_wrong');
  await page.getByRole('alert').waitFor();
  await page.getByLabel('API token').fill(admin.token);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.getByRole('link', { name: OUTSIDE.name }).waitFor();
  assert.equal(new URL(page.url()).search, '?q=1', 'it leads back to where one came from');
  await page.getByRole('link', { name: 'New integration' }).waitFor();

  await page.getByRole('button', { name: 'Log out' }).click();
  await logIn(viewer.token);
  await page.getByRole('link', { name: INSIDE.name }).waitFor();
  assert.equal(await page.getByRole('link', { name: OUTSIDE.name }).count(), 0);
  const make = page.getByRole('button', { name: 'New integration' });
  assert.equal(await make.isDisabled(), true);
  assert.match((await make.getAttribute('title')) ?? '', /may not do this/);
  assert.equal(await page.getByRole('switch').first().isDisabled(), true);
  await page.goto(`${base}/integrations/${inside.id}`);
  for (const name of ['Edit', 'Disable', 'Restart', 'Duplicate', 'Replay', 'Delete']) {
    assert.equal(await page.getByRole('button', { name }).isDisabled(), true, name);
  }
  await page.goto(`${base}/integrations/${inside.id}/edit`);
  await page.getByText('may not do this').waitFor();
  assert.equal(await page.getByRole('button', { name: /^Review/ }).isDisabled(), true);
  await page.goto(`${base}/integrations/${inside.id}/replay`);
  await page.getByRole('button', { name: 'Start the replay', disabled: true }).waitFor();
  const counted = page.locator('form p[role=status], form p.problem:not([id])');
  assert.equal(await counted.count(), 0, 'who may not start one is told no count');
});

test('what is typed and chosen in a tab stays when the same one logs in again in another, and goes when somebody else does', async (t) => {
  const browser = await browserForTests(t);
  const system = await scopedSystem(t, { webUi: new WebUi(WEB_DIST) });
  await system.made();
  const base = `http://${system.server.httpAddress}`;
  const [ada, bob] = await Promise.all(
    ['ada', 'bob'].map(async (name) => {
      const token = { name, role: Role.EDITOR, scope: SCOPE };
      return (await system.tokens.createToken({ token }, asAdmin)).value;
    }),
  );
  const first = await pageAs(t, browser, { base, path: '/nodes', token: ada! });
  const second = await first.context().newPage();
  await second.goto(base);
  await second.getByLabel(`Select ${INSIDE.name}`, { exact: true }).check();
  await second.getByRole('link', { name: 'New integration' }).click();
  await second.getByLabel('Name required').fill('typed by ada');

  const logInAs = async (name: string, token: string) => {
    await first.getByRole('button', { name: 'Log out' }).click();
    await second.getByRole('heading', { name: 'Penstock' }).waitFor();
    await first.getByRole('button', { name: 'with an API token' }).click();
    await first.getByLabel('API token').fill(token);
    await first.getByRole('button', { name: 'Log in', exact: true }).click();
    const open = (path: string) =>
      second.evaluate(`history.pushState(null, '', '${path}'); dispatchEvent(new PopStateEvent('popstate'))`);
    await waitUntil(`${name} is there, too`, async () => {
      await open('/integrations/new');
      return (await second.locator('.who', { hasText: name }).count()) === 1;
    });
    const typed = await second.getByLabel('Name required').inputValue();
    await open('/integrations');
    const isPicked = await second.getByLabel(`Select ${INSIDE.name}`, { exact: true }).isChecked();
    return { typed, isPicked };
  };
  assert.deepEqual(await logInAs('ada', ada!), { typed: 'typed by ada', isPicked: true });
  assert.deepEqual(await logInAs('bob', bob!), { typed: '', isPicked: false });
});
