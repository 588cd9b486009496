import type { TestContext } from 'node:test';
import { WEB_DIST, WebUi } from '../../src/rpc/web-ui.ts';
import { browserForTests } from './chromium.ts';
import { controlPlaneForTests, executorForTests, HTTP } from './control-plane.ts';

/** A control plane that serves the UI, with some integrations, what answers its checks, and a browser. */
export async function uiForTests(t: TestContext, names: readonly string[]) {
  const browser = await browserForTests(t);
  const system = await controlPlaneForTests(t, { webUi: new WebUi(WEB_DIST) });
  const executor = await executorForTests(t, system);
  const ids: string[] = [];
  for (const name of names) {
    const { integration } = await system.client.createIntegration({ integration: { ...HTTP, name } });
    ids.push(integration!.id);
  }
  return { ...system, executor, ids, browser, base: `http://${system.server.httpAddress}` };
}
