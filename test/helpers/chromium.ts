import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { TestContext } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { onEnd } from './on-end.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What is wrong with a page beyond what a test looks for. */
interface Faults {
  readonly errors: string[];
  readonly foreign: string[];
}

/** What a test that deletes expects: the list draws what it was told of last, and one of them may have gone a moment ago. */
export const DELETED = /404 .*StatisticsService\/QueryStatistics$/;

/** A real browser, which ends before what is started after it: its pages call their server every few seconds. */
export async function browserForTests(t: TestContext): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
  t.after(() => browser.close());
  return browser;
}

/**
 * A page of the UI at `url`. The test fails when the browser reports an error, a breach of the page's policy, or a request to
 * another origin, whatever else it looks for.
 * @param expected errors of the console that are meant, such as of a call that is refused
 */
export async function pageForTests(
  t: TestContext,
  browser: Browser,
  url: string,
  expected: RegExp = /^$/,
): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' });
  const { origin } = new URL(url);
  const faults: Faults = { errors: [], foreign: [] };
  context.on('weberror', (error) => faults.errors.push(String(error.error())));
  context.on('console', (message) => {
    const text = `${message.text()} ${message.location().url}`;
    if (message.type() === 'error' && !expected.test(text)) faults.errors.push(text);
  });
  context.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.origin !== origin && asked.protocol !== 'data:') faults.foreign.push(request.url());
  });
  onEnd(t, async () => {
    await context.close();
    assert.deepEqual(faults, { errors: [], foreign: [] });
  });
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** What axe finds that keeps somebody from using the page, in both themes. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const theme of ['light', 'dark']) {
    await page.evaluate(`document.documentElement.dataset.theme = '${theme}'`);
    await page.evaluate(AXE); // a script tag is what the page's policy forbids
    const result = (await page.evaluate('axe.run()')) as {
      readonly violations: readonly {
        readonly id: string;
        readonly impact: string;
        readonly nodes: readonly { readonly html: string }[];
      }[];
    };
    const serious = result.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    for (const { id, nodes } of serious)
      found.push(`${theme}: ${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  }
  return found;
}
