import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import { localPath } from '../../src/access/local-path.ts';
import type { OidcClient } from '../../src/access/oidc-config.ts';
import { oidcLoginPages } from '../../src/access/oidc-login.ts';
import type { Caller } from '../../src/rpc/caller.ts';
import type { Pages } from '../../src/rpc/pages.ts';
import { LoginBrowser, locationOf, refreshOf, type Visited } from '../helpers/login-browser.ts';
import { oidcConfigFor, oidcForTests } from '../helpers/oidc.ts';
import { CLIENT_ID, type OidcProviderForTests, oidcProvider } from '../helpers/oidc-provider.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const COOKIE = 'penstock_login';
const SESSION = 'penstock_session';

interface Options extends Partial<OidcClient> {
  readonly isCookieSecure?: boolean;
  /** Where a request is from; unset: from where it is. */
  readonly addressOf?: () => string;
}

/** A node with the pages to log in by, and the sessions that it began. */
async function nodeOf(t: TestContext, provider: OidcProviderForTests, options: Options = {}) {
  const { isCookieSecure = false, addressOf, ...changes } = options;
  const client = { ...oidcConfigFor(provider.issuer).client!, ...changes };
  const own = oidcForTests(t, provider.issuer, { client });
  const sessions: Omit<Caller, 'address'>[] = [];
  const startSession = async (caller: Omit<Caller, 'address'>) => {
    sessions.push(caller);
    return { session: `session-${sessions.length}` };
  };
  const ownPages = [...oidcLoginPages({ ...own, isCookieSecure, startSession })];
  const pages: Pages = new Map(
    ownPages.map(([path, page]) => [
      path,
      (asked) => page(addressOf ? { ...asked, address: addressOf() } : asked),
    ]),
  );
  const authenticate = () => Promise.resolve(undefined);
  const { url } = await rpcServerForTests(t, {}, { pages, authenticate });
  return { ...own, url, sessions };
}

const start = async (browser: LoginBrowser, url: string, next = '/'): Promise<Visited> =>
  browser.get(`${url}/login/oidc?next=${encodeURIComponent(next)}`);

/** The address that the provider sends the browser back to. */
async function agreed(browser: LoginBrowser, url: string): Promise<URL> {
  const toProvider = locationOf(await start(browser, url));
  return locationOf(await browser.get(toProvider));
}

test('a browser logs in at the provider, and goes on with a session to where it wanted', async (t) => {
  const provider = await oidcProvider(t);
  const { url, sessions, logged } = await nodeOf(t, provider);
  const browser = new LoginBrowser();
  const page = await browser.follow(`${url}/login/oidc?next=${encodeURIComponent('/ui/list?x=1&y="2"#top')}`);
  assert.equal(page.status, 200);
  assert.equal(page.url.pathname, '/login/oidc/callback');
  assert.equal(refreshOf(page), '/ui/list?x=1&y=%222%22#top');
  assert.ok(!/<script/i.test(page.text));
  const address = '127.0.0.1';
  assert.deepEqual(sessions, [{ name: 'ada', role: Role.ADMIN, kind: CallerKind.OIDC, address }]);
  assert.equal(browser.cookie(url, SESSION), 'session-1');
  assert.equal(browser.cookie(url, COOKIE), undefined, 'what it kept for the way is gone');
  const [session] = page.headers.getSetCookie().filter((line) => line.startsWith(SESSION));
  assert.match(session!, /HttpOnly; SameSite=Strict$/);
  assert.deepEqual(
    ['cache-control', 'referrer-policy', 'content-security-policy'].map((name) => page.headers.get(name)),
    ['no-store', 'no-referrer', "default-src 'none'; frame-ancestors 'none'"],
  );
  assert.ok(logged.some((line) => line.includes('"name":"ada"')));
  assert.ok(
    !logged.some((line) => line.includes('session-1') || line.includes(page.url.searchParams.get('code')!)),
  );
});

test('the provider is asked with state, nonce and PKCE, all new each time', async (t) => {
  const provider = await oidcProvider(t);
  const { url } = await nodeOf(t, provider);
  const asked = [await start(new LoginBrowser(), url), await start(new LoginBrowser(), url)];
  const [first, second] = asked.map((page) => Object.fromEntries(locationOf(page).searchParams));
  assert.deepEqual(
    { ...first, state: '', nonce: '', code_challenge: '' },
    {
      client_id: CLIENT_ID,
      redirect_uri: `${url}/login/oidc/callback`,
      response_type: 'code',
      scope: 'openid profile',
      state: '',
      nonce: '',
      code_challenge: '',
      code_challenge_method: 'S256',
    },
  );
  for (const name of ['state', 'nonce', 'code_challenge']) {
    assert.ok(first![name]!.length >= 43);
    assert.notEqual(first![name], second![name], name);
  }
  const [cookie] = asked[0]!.headers.getSetCookie();
  assert.match(cookie!, /^penstock_login=[\w.-]+; Max-Age=600; HttpOnly; SameSite=Lax; Path=\/login$/);
});

test('over TLS cookies are for this host alone, and the provider sends back to https', async (t) => {
  const provider = await oidcProvider(t);
  const { url } = await nodeOf(t, provider, { isCookieSecure: true });
  const page = await start(new LoginBrowser(), url);
  assert.match(page.headers.getSetCookie()[0]!, /^__Host-penstock_login=.*; SameSite=Lax; Path=\/; Secure$/);
  const back = new URL(locationOf(page).searchParams.get('redirect_uri')!);
  assert.equal(back.href, `${url.replace('http', 'https')}/login/oidc/callback`);
  const set = await nodeOf(t, provider, { redirectUrl: 'https://penstock.example.com/login/oidc/callback' });
  const asked = locationOf(await start(new LoginBrowser(), set.url)).searchParams;
  assert.equal(asked.get('redirect_uri'), 'https://penstock.example.com/login/oidc/callback');
});

test('what was begun on one node ends on another', async (t) => {
  const provider = await oidcProvider(t);
  const redirectUrl = 'https://penstock.example.com/login/oidc/callback';
  const [one, other] = [
    await nodeOf(t, provider, { redirectUrl }),
    await nodeOf(t, provider, { redirectUrl }),
  ];
  const browser = new LoginBrowser();
  const back = await agreed(browser, one.url);
  browser.cookies.set(new URL(other.url).host, browser.cookies.get(new URL(one.url).host)!);
  const page = await browser.get(`${other.url}${back.pathname}${back.search}`);
  assert.equal(page.status, 200);
  assert.equal(other.sessions.length, 1);
});

test('a code is good once, and for the browser that began', async (t) => {
  const provider = await oidcProvider(t);
  const { url, sessions } = await nodeOf(t, provider);
  const browser = new LoginBrowser();
  const back = await agreed(browser, url);
  const stranger = new LoginBrowser();
  assert.equal((await stranger.get(back)).status, 400, 'a browser that began nothing');
  await start(stranger, url);
  assert.equal((await stranger.get(back)).status, 400, 'a browser that began something else');
  assert.equal(sessions.length, 0);
  const kept = new Map(browser.cookies.get(back.host)!);
  assert.equal((await browser.get(back)).status, 200);
  assert.equal((await browser.get(back)).status, 400, 'the cookie is gone');
  browser.cookies.set(back.host, kept);
  assert.equal((await browser.get(back)).status, 502, 'the provider does not take the code again');
  assert.equal(sessions.length, 1);
});

test('an answer that is changed on its way logs nobody in, and says what to do', async (t) => {
  const provider = await oidcProvider(t);
  const { url, sessions } = await nodeOf(t, provider);
  const changes: [string, (back: URL) => void, number][] = [
    ['another state', ({ searchParams }) => searchParams.set('state', 'x'.repeat(43)), 400],
    ['no state', ({ searchParams }) => searchParams.delete('state'), 400],
    ['two states', ({ searchParams }) => searchParams.append('state', 'x'), 400],
    ['another issuer', ({ searchParams }) => searchParams.set('iss', 'https://evil.example'), 400],
    ['no issuer', ({ searchParams }) => searchParams.delete('iss'), 400],
    ['no code', ({ searchParams }) => searchParams.delete('code'), 400],
    ['another code', ({ searchParams }) => searchParams.set('code', 'made up'), 502],
  ];
  for (const [what, change, status] of changes) {
    const browser = new LoginBrowser();
    const back = await agreed(browser, url);
    change(back);
    const page = await browser.get(back);
    assert.equal(page.status, status, what);
    assert.match(page.text, /<a href="\/login\/oidc">Log in again<\/a>/);
    assert.equal(browser.cookie(url, SESSION), undefined);
    assert.equal(browser.cookie(url, COOKIE), undefined, 'it cannot be tried again');
  }
  assert.equal(sessions.length, 0);
});

test('a cookie that is there twice, or of another form, is none', async (t) => {
  const provider = await oidcProvider(t);
  const { url, sessions } = await nodeOf(t, provider);
  const browser = new LoginBrowser();
  const back = await agreed(browser, url);
  const value = browser.cookie(url, COOKIE)!;
  const cut = value.slice(value.indexOf('.') + 1);
  const twice = [`${COOKIE}=x; ${COOKIE}=${value}`, `${COOKIE}=${value}; ${COOKIE}=x`];
  for (const cookie of [...twice, `${COOKIE}=${cut}`, `${COOKIE}=`]) {
    assert.equal((await new LoginBrowser().get(back, { cookie })).status, 400, cookie);
  }
  assert.equal(sessions.length, 0);
});

test('an ID token that is not for this login logs nobody in', async (t) => {
  const provider = await oidcProvider(t);
  const { url, sessions } = await nodeOf(t, provider);
  const good = provider.claims;
  const now = Math.floor(Date.now() / 1000);
  const wrong: [string, Readonly<Record<string, unknown>>, number][] = [
    ['another nonce', { nonce: 'x' }, 502],
    ['another audience', { aud: 'another' }, 502],
    ['another party', { aud: [CLIENT_ID, 'another'], azp: 'another' }, 502],
    ['another issuer', { iss: 'https://evil.example' }, 502],
    ['over', { exp: now - 60 }, 502],
    ['without a role', { groups: ['others'] }, 403],
  ];
  for (const [what, claims, status] of wrong) {
    provider.claims = { ...good, ...claims };
    const browser = new LoginBrowser();
    const page = await browser.get(await agreed(browser, url));
    assert.equal(page.status, status, what);
  }
  provider.claims = good;
  const browser = new LoginBrowser();
  const back = await agreed(browser, url);
  const { keys } = provider;
  await provider.rotate();
  provider.keys = keys; // what it signs with now it does not show
  assert.equal((await browser.get(back)).status, 502, 'signed with a key that nobody knows');
  assert.equal(sessions.length, 0);
});

test('what the provider says against it is told, and harms no page', async (t) => {
  const provider = await oidcProvider(t);
  const { url } = await nodeOf(t, provider);
  provider.refusal = 'access_denied';
  const page = await new LoginBrowser().follow(`${url}/login/oidc`);
  assert.equal(page.status, 403);
  assert.match(page.text, /&lt;b&gt;what the provider says&lt;\/b&gt;/);
});

test('a provider that is away, or not safe, is told', async (t) => {
  const provider = await oidcProvider(t);
  const { url } = await nodeOf(t, provider);
  const browser = new LoginBrowser();
  const back = await agreed(browser, url);
  provider.fault = (path, response) => {
    if (path !== '/token') return false;
    response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>oops');
    return true;
  };
  assert.equal((await browser.get(back)).status, 502);
  provider.fault = (_, response) => Boolean(response.writeHead(503).end());
  const away = await nodeOf(t, provider);
  const page = await start(new LoginBrowser(), away.url);
  assert.equal(page.status, 503);
  assert.match(page.text, /does not answer as it should: try again/);
  for (const name of ['authorization_endpoint', 'token_endpoint']) {
    const unsafe = await oidcProvider(t);
    unsafe.metadata = { [name]: 'http://login.example/x' };
    const node = await nodeOf(t, unsafe);
    assert.equal((await new LoginBrowser().follow(`${node.url}/login/oidc`)).status, 502);
  }
});

test('only so many codes are exchanged at a time', async (t) => {
  const provider = await oidcProvider(t);
  let made = 0;
  const { url } = await nodeOf(t, provider, { addressOf: () => `192.0.2.${made++}` });
  const open: { destroy(): unknown }[] = [];
  provider.fault = (path, response) => path === '/token' && open.push(response) > 0;
  const browsers = await Promise.all(
    Array.from({ length: 25 }, async () => {
      const browser = new LoginBrowser();
      return { browser, back: await agreed(browser, url) };
    }),
  );
  const answers = browsers.map(({ browser, back }) => browser.get(back));
  await waitUntil('the provider has those that it gets', () => open.length === 20);
  for (const response of open) response.destroy();
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  assert.equal(statuses.filter((status) => status === 503).length, 5);
  assert.equal(open.length, 20);
});

test('nobody is led elsewhere, however the way is written', () => {
  const elsewhere = [
    'https://evil.example/',
    '//evil.example',
    '//evil.example/path',
    '/\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/.//evil.example',
    '/a/..//evil.example',
    '/%2e//evil.example',
    '\\\\evil.example',
    ' //evil.example',
    'javascript:alert(1)',
    'evil.example',
    '',
    `/${'x'.repeat(1000)}`,
    '/login/oidc',
    null,
  ];
  for (const text of elsewhere) assert.equal(localPath(text), '/', JSON.stringify(text));
  for (const text of ['/', '/ui/a?b=c#d', '/a//b', '/@evil.example', '/?next=//evil.example']) {
    assert.equal(localPath(text), text);
  }
  assert.equal(localPath('/"><script>'), '/%22%3E%3Cscript%3E');
  assert.equal(localPath("/'onload=x"), "/'onload=x");
});

test('an open page is asked with GET alone, and others stay closed', async (t) => {
  const provider = await oidcProvider(t);
  const { url, sessions } = await nodeOf(t, provider);
  const browser = new LoginBrowser();
  const back = await agreed(browser, url);
  const cookie = `${COOKIE}=${browser.cookie(url, COOKIE)}`;
  for (const method of ['HEAD', 'POST']) {
    const answer = await fetch(back, { method, headers: { cookie }, redirect: 'manual' });
    assert.equal(answer.status, 404, method);
  }
  assert.equal(sessions.length, 0);
  for (const path of ['/login/oidc/', '/login', '/login/oidc/callback/x', '/metrics']) {
    assert.equal((await fetch(url + path, { redirect: 'manual' })).status, 401, path);
  }
});

test('without a client there are no pages to log in by', async (t) => {
  const provider = await oidcProvider(t);
  const { oidc, ...deps } = oidcForTests(t, provider.issuer, { client: undefined });
  const startSession = () => Promise.reject(new Error('nobody comes here'));
  assert.equal(oidcLoginPages({ ...deps, oidc, isCookieSecure: false, startSession }).size, 0);
});

test('whoever shows made-up codes is held up before the provider is asked, and holds up no other address', async (t) => {
  const provider = await oidcProvider(t);
  const own = oidcForTests(t, provider.issuer, { client: oidcConfigFor(provider.issuer).client! });
  let asked = 0;
  const ask: typeof own.oidc.ask = (...given) => {
    asked++;
    return own.oidc.ask(...given);
  };
  const oidc = { ...own.oidc, ask };
  const startSession = async () => ({ session: 'x' });
  const finish = oidcLoginPages({ ...own, oidc, isCookieSecure: false, startSession }).get(
    '/login/oidc/callback',
  )!;
  const madeUp = 'a'.repeat(43);
  const headers = { host: 'localhost', cookie: `${COOKIE}=${madeUp}.${madeUp}.${madeUp}.` };
  const query = new URLSearchParams({ code: 'made-up', state: madeUp, iss: provider.issuer });
  const statusFor = async (address: string) => (await finish({ query, headers, address })).status;
  for (let i = 0; i < 10; i++) assert.equal(await statusFor(`2001:db8::${i}`), 502);
  assert.equal(await statusFor('2001:db8::99'), 429);
  assert.equal(asked, 10);
  assert.equal(await statusFor('192.0.2.1'), 502, 'the provider is asked');
  own.leap(2000);
  assert.equal(await statusFor('2001:db8::99'), 502, 'one more in two seconds');
  const { values } = await own.metrics.logins.get();
  assert.equal(values.find(({ labels }) => labels.result === 'limited')?.value, 1);
});
