import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplayState } from '../../gen/penstock/v1/replay_service_pb.ts';
import { accessibilityFaults, pageForTests } from '../helpers/chromium.ts';
import { countingProxy } from '../helpers/counting-proxy.ts';
import { giveUp, messagesOf, publish } from '../helpers/messages.ts';
import { uiForTests } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('a replay is begun on its integration, followed while it runs, and cancelled', async (t) => {
  const system = await uiForTests(t, ['source', 'target']);
  const { ids, browser, base, replays } = system;
  await publish(system, ids[0]!, [0, 40]);
  const page = await pageForTests(t, browser, `${base}/integrations/${ids[0]}`);
  await page.getByRole('link', { name: 'Replay', exact: true }).click();
  await page.getByRole('heading', { name: 'Replay' }).waitFor();
  await page.getByLabel('By offsets').check();
  await page.getByLabel('Target integration').fill('nobody');
  await page.getByLabel('Messages in a second').fill('1');
  await page.getByRole('button', { name: 'Start the replay' }).click();
  await page.getByText('give a line for each partition').waitFor();
  await page.getByText('there is no integration with this name or id').waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  assert.equal((await replays.listReplays({})).replays.length, 0);
  await page.getByLabel('Offsets', { exact: true }).fill('0 10 30');
  await page.getByLabel('Target integration').fill('target');
  await page.getByText('20 messages are there to be sent.').waitFor();
  await page.getByRole('button', { name: 'Start the replay' }).click();
  await page.getByRole('heading', { name: 'Replays' }).waitFor();
  const row = page.getByRole('table', { name: 'Replays' }).locator('tbody tr');
  await row.getByText('partition 0: 10 to 30').waitFor();
  const sent = row.getByText(/^\d+ of 20$/);
  const atFirst = await sent.textContent();
  await waitUntil('it is asked again', async () => (await sent.textContent()) !== atFirst);
  assert.deepEqual(await accessibilityFaults(page), []);
  await row.getByRole('button', { name: 'Cancel' }).click();
  await row.getByText('cancelled').waitFor();
  const [replay] = (await replays.listReplays({})).replays;
  assert.deepEqual(
    [replay?.state, replay?.integrationId, replay?.targetIntegrationId],
    [ReplayState.CANCELLED, ...ids],
  );
});

test('what ends while it is looked at says so, with its reason; the list is of one integration or of all', async (t) => {
  const system = await uiForTests(t, ['one', 'two']);
  const { ids, browser, base, replays, client } = system;
  for (const id of ids) await publish(system, id, [0, 3]);
  await replays.startReplay({ integrationId: ids[0]! });
  await waitUntil('it is over', async () =>
    (await replays.listReplays({})).replays.every(({ state }) => state === ReplayState.DONE),
  );
  await replays.startReplay({ integrationId: ids[1]!, maxRate: 1 });
  const page = await pageForTests(t, browser, `${base}/replays?integration=${ids[1]}`);
  const rows = page.getByRole('table', { name: 'Replays' }).locator('tbody tr');
  await rows.getByText('running').waitFor();
  assert.equal(await rows.count(), 1);
  await rows.getByText('done').waitFor();
  await page.getByRole('button', { name: 'show all' }).click();
  await rows.nth(1).waitFor();
  assert.equal((await messagesOf(system, ids[1]!)).length, 6);
  await publish(system, ids[1]!, [3, 10]);
  await replays.startReplay({ integrationId: ids[1]!, targetIntegrationId: ids[0]!, maxRate: 1 });
  await rows.nth(2).waitFor(); // it is told
  await client.deleteIntegration({ id: ids[0]! });
  await rows.first().getByText('failed').waitFor();
  const reason = (await replays.listReplays({})).replays[0]!.reason;
  assert.notEqual(reason, '');
  await rows.first().getByText(reason).waitFor();
});

test('what ended while the stream was cut has ended on every page once it is back', async (t) => {
  const { bus, topics, ids, browser, base, replays, deadLetters } = await uiForTests(t, ['one']);
  const integrationId = ids[0]!;
  await publish({ bus, topics }, integrationId, [0, 40]);
  await giveUp({ bus, topics }, integrationId, [0, 40]);
  const proxy = await countingProxy(t, base);
  const replay = (await replays.startReplay({ integrationId, maxRate: 1 })).replay!;
  const redrive = (await deadLetters.startRedrive({ integrationId, maxRate: 1 })).redrive!;
  const list = await pageForTests(t, browser, `${proxy.url}/replays`, /ERR_|Failed to load/);
  const row = (name: string) => list.getByRole('table', { name }).locator('tbody tr');
  const letters = await list.context().newPage();
  await letters.goto(`${proxy.url}/integrations/${integrationId}/dead-letters`);
  await letters.getByText(/^Putting back: \d+ of 40/).waitFor();
  await row('Replays').getByText('running').waitFor();
  await row('Redrives').getByText('running').waitFor();
  proxy.stop();
  await list.getByText('Not live for').waitFor();
  await replays.cancelReplay({ id: replay.id });
  await deadLetters.cancelRedrive({ id: redrive.id });
  await waitUntil('both are over', async () => {
    const [one, other] = [replays.getReplay({ id: replay.id }), deadLetters.getRedrive({ id: redrive.id })];
    return (await one).replay?.finishTime !== undefined && (await other).redrive?.finishTime !== undefined;
  });
  await proxy.start();
  await row('Replays').getByText('cancelled').waitFor();
  await row('Redrives').getByText('cancelled').waitFor();
  await letters.getByText(/^Stopped\. Put back: \d+ of 40\./).waitFor();
  const { redriven } = (await deadLetters.getRedrive({ id: redrive.id })).redrive!;
  await letters.getByText(`${40n - redriven} dead letters`).waitFor();
  const asked = list.waitForRequest(/ListRedrives$/);
  await list.getByRole('button', { name: 'reload' }).click();
  await asked;
});

test('as many messages arrive as were counted before the start', async (t) => {
  const system = await uiForTests(t, ['source', 'target']);
  const { ids, browser, base } = system;
  await publish(system, ids[0]!, [0, 12]);
  const middle = new Date();
  await publish(system, ids[0]!, [12, 40]);
  const page = await pageForTests(
    t,
    browser,
    `${base}/integrations/${ids[0]}/replay?from=${middle.toISOString()}`,
  );
  const counted = page.getByText(/^\d+ messages are there to be sent\.$/);
  const count = Number(/\d+/.exec((await counted.textContent())!)![0]);
  assert.ok(count >= 28 && count < 40);
  await page.getByLabel('Target integration').fill('target');
  await page.getByRole('button', { name: 'Start the replay' }).click();
  const row = page.getByRole('table', { name: 'Replays' }).locator('tbody tr');
  await row.getByText('done').waitFor();
  assert.equal((await messagesOf(system, ids[1]!)).length, count);
});

test('without replays the page says how to begin', async (t) => {
  const { browser, base } = await uiForTests(t, []);
  const page = await pageForTests(t, browser, `${base}/replays`);
  await page.getByRole('heading', { name: 'No replays' }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.goto(`${base}/integrations/00000000-0000-4000-8000-000000000000/replay`);
  await page.getByRole('heading', { name: 'There is no such integration' }).waitFor();
});
