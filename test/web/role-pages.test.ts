import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { METHODS_OF_ROLES } from '../../gen/penstock/v1/roles.ts';
import { WEB_DIST, WebUi } from '../../src/rpc/web-ui.ts';
import { browserForTests } from '../helpers/chromium.ts';
import { pagesOf } from '../helpers/role-pages.ts';
import { asAdmin, INSIDE, scopedSystem } from '../helpers/scoped.ts';
import { pageAs } from '../helpers/ui.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** What a control of a page is called, and whether it can be used, or why not. */
interface Control {
  readonly name: string;
  readonly isOff: boolean;
  readonly title: string;
}

const CONTROLS = `[...document.querySelectorAll('main :is(button, .button, [role=switch])')].map((one) => ({
  name: (one.getAttribute('aria-label') ?? one.textContent).trim(), isOff: one.disabled === true, title: one.title }))`;

test('on every page what a role may not do is off and says why, what it may is not, and the server refuses the rest anyway', async (t) => {
  const browser = await browserForTests(t);
  const system = await scopedSystem(t, { webUi: new WebUi(WEB_DIST) });
  const base = `http://${system.server.httpAddress}`;
  const { id } = await system.made({ ...INSIDE, enabled: true });
  const unscoped = await system.tokens.createToken({ token: { name: 'all', role: Role.EDITOR } }, asAdmin);
  const callers = [
    ...[Role.VIEWER, Role.OPERATOR, Role.EDITOR].map(async (role) => ({
      role,
      ...(await system.tokenOf(role)),
    })),
    { role: Role.EDITOR, token: unscoped.value },
  ];
  for (const caller of callers) {
    const { role, token } = await caller;
    const page = await pageAs(t, browser, { base, path: '/', token, expected: /40[13]/ });
    const headingOf = (name: string) => page.getByRole('heading', { name, exact: true }).waitFor();
    await page.getByRole('link', { name: INSIDE.name }).waitFor();
    const may = (method: string) =>
      METHODS_OF_ROLES.some(([least, methods]) => least <= role && methods.split(' ').includes(method));

    for (const { path, heading, pick, controls } of Object.values(pagesOf(id, INSIDE.name))) {
      await page.evaluate(
        `history.pushState(null, '', '${path}'); dispatchEvent(new PopStateEvent('popstate'))`,
      );
      await headingOf(heading);
      if (pick !== undefined) await page.getByLabel(pick, { exact: true }).check();
      let shown: readonly Control[] = [];
      await waitUntil(`${path} has ${Object.keys(controls)}`, async () => {
        shown = await page.evaluate(CONTROLS);
        return Object.keys(controls).every((name) => shown.some((one) => one.name === name));
      });
      for (const [name, method] of Object.entries(controls)) {
        const control = shown.find((one) => one.name === name)!;
        const isRefused = control.isOff && /may not do this/.test(control.title);
        assert.equal(isRefused, !may(method), `${path}: ${name} for role ${role}: ${control.title}`);
      }
      const refused = shown.filter(({ name, title }) => /may not/.test(title) && !(name in controls));
      assert.deepEqual(refused, [], `${path} has controls for some roles alone: say which in role-pages.ts`);
    }

    // Streams are called with another type; test/integration/roles.test.ts calls those, too.
    const unary = METHODS_OF_ROLES.flatMap(([, methods]) => methods.split(' ')).filter(
      (one) => !/RedriveDeadLetters|Watch|Info$/.test(one),
    );
    for (const method of unary.filter((one) => !may(one))) {
      const answer = await page.context().request.post(`${base}/penstock.v1.${method}`, {
        data: {},
        headers: { origin: base },
      });
      // PublishMessage is served by an ingress alone.
      const isServed = answer.status() !== 404;
      assert.equal(
        isServed ? answer.status() : method,
        isServed ? 403 : 'MessageService/PublishMessage',
        `role ${role}`,
      );
    }
    await page.context().close();
  }
});
