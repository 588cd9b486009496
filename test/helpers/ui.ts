import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { WEB_DIST, WebUi } from '../../src/rpc/web-ui.ts';
import { browserForTests, pageForTests } from './chromium.ts';
import { controlPlaneForTests, executorForTests, HTTP } from './control-plane.ts';

/** A control plane that serves the UI, with some integrations, what answers its checks, and a browser. */
export async function uiForTests(t: TestContext, names: readonly string[]) {
  const browser = await browserForTests(t);
  const system = await controlPlaneForTests(t, { webUi: new WebUi(WEB_DIST), deadLetterCountInterval: 500 });
  const executor = await executorForTests(t, system);
  const ids: string[] = [];
  for (const name of names) {
    const { integration } = await system.client.createIntegration({ integration: { ...HTTP, name } });
    ids.push(integration!.id);
  }
  return { ...system, executor, ids, browser, base: `http://${system.server.httpAddress}` };
}

/** A page of the UI at `path`, as who shows an API token. @param expected errors of the console that are meant */
export async function pageAs(
  t: TestContext,
  browser: Browser,
  { base, path, token, expected = /401/ }: { base: string; path: string; token: string; expected?: RegExp },
): Promise<Page> {
  const page = await pageForTests(t, browser, `${base}/login`, expected);
  const answer = await page.context().request.post(`${base}/api/v1/session`, {
    data: { token: { value: token } },
    headers: { origin: base },
  });
  assert.equal(answer.status(), 200);
  await page.goto(base + path);
  return page;
}
