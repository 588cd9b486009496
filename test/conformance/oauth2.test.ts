import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { OAuth2Tokens, TokenError } from '../../src/executor/handlers/oauth2.ts';
import type { OAuth2Client } from '../../src/executor/handlers/token-request.ts';
import { dialer } from '../../src/runtime/dial.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { never } from '../helpers/handler.ts';
import { answer, hang, httpEndpoint, type Respond, reset } from '../helpers/http-endpoint.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const SECRET = 'p&s:ö s3cret';

const dial = dialer(createTargetGuard(true));

/** Answers with a token a time: t1, t2, … */
function tokens(lifetime?: number): Respond {
  let count = 0;
  return (response) => {
    count++;
    const expiry = lifetime === undefined ? {} : { expires_in: lifetime };
    response
      .writeHead(200)
      .end(JSON.stringify({ access_token: `t${count}`, token_type: 'bearer', ...expiry }));
  };
}

async function setUp(t: TestContext, client: Partial<OAuth2Client> = {}) {
  const endpoint = await httpEndpoint(t);
  endpoint.respond = tokens(300);
  const clock = new ManualClock();
  const own = new OAuth2Tokens(
    {
      tokenUrl: `${endpoint.url}?tenant=1`,
      clientId: 'an id',
      clientSecret: SECRET,
      scopes: [],
      audience: '',
      authentication: 'header',
      ...client,
    },
    { dial, tls: {}, clock },
  );
  t.after(() => own[Symbol.dispose]());
  return { endpoint, clock, tokens: own };
}

test('a token is asked for with the client in the header, or in the body', async (t) => {
  const { endpoint, tokens } = await setUp(t);
  assert.equal(await tokens.token(never), 't1');
  const [first] = endpoint.received;
  assert.equal(first?.method, 'POST');
  assert.equal(first?.path, '/in?tenant=1');
  assert.equal(first?.headers.host, new URL(endpoint.url).host);
  assert.equal(first?.headers['content-type'], 'application/x-www-form-urlencoded');
  assert.equal(first?.body.toString(), 'grant_type=client_credentials');
  const [scheme, encoded] = first?.headers.authorization?.split(' ') ?? [];
  assert.equal(scheme, 'Basic');
  assert.equal(Buffer.from(encoded ?? '', 'base64').toString(), 'an+id:p%26s%3A%C3%B6+s3cret');

  const other = await setUp(t, { authentication: 'body', scopes: ['a', 'b'], audience: 'api://x' });
  assert.equal(await other.tokens.token(never), 't1');
  const [second] = other.endpoint.received;
  assert.equal(second?.headers.authorization, undefined);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(second?.body.toString())), {
    grant_type: 'client_credentials',
    scope: 'a b',
    audience: 'api://x',
    client_id: 'an id',
    client_secret: SECRET,
  });
});

test('many who want a token at a time cause one request, and it is kept', async (t) => {
  const { endpoint, tokens } = await setUp(t);
  const got = await Promise.all(Array.from({ length: 20 }, () => tokens.token(never)));
  assert.deepEqual(new Set(got), new Set(['t1']));
  assert.equal(await tokens.token(never), 't1');
  assert.equal(endpoint.received.length, 1);
  await waitUntil('no connection is left', () => endpoint.sockets.size === 0);
});

test('a token is renewed before it expires, and nobody waits for that', async (t) => {
  const { endpoint, clock, tokens } = await setUp(t);
  await tokens.token(never);
  clock.advance(239_999);
  assert.equal(await tokens.token(never), 't1');
  assert.equal(endpoint.received.length, 1);
  clock.advance(1);
  assert.equal(await tokens.token(never), 't1');
  await waitUntil('the next one is there', async () => (await tokens.token(never)) === 't2');
  assert.equal(endpoint.received.length, 2);
});

test('a token endpoint that is away does no harm as long as the token lives', async (t) => {
  const { endpoint, clock, tokens } = await setUp(t);
  await tokens.token(never);
  endpoint.respond = answer(503);
  clock.advance(250_000);
  for (let i = 0; i < 20; i++) assert.equal(await tokens.token(never), 't1');
  await waitUntil(
    'it was asked, and has answered',
    () => endpoint.received.length === 2 && clock.timers === 0,
  );
  clock.advance(50_000);
  await assert.rejects(tokens.token(never), /answered 503/);
});

test('a token that does not say how long it is good is renewed after some minutes', async (t) => {
  for (const lifetime of [undefined, 0, -5]) {
    const { endpoint, clock, tokens: own } = await setUp(t);
    endpoint.respond = tokens(lifetime);
    assert.equal(await own.token(never), 't1');
    clock.advance(200_000);
    assert.equal(await own.token(never), 't1');
    clock.advance(100_000);
    assert.equal(await own.token(never), 't2');
  }
});

test('a refused token is replaced once; the one that came in its place is given some time', async (t) => {
  const { endpoint, clock, tokens } = await setUp(t);
  await tokens.token(never);
  assert.equal(tokens.refused('t1'), true);
  assert.equal(tokens.refused('t1'), true); // by another request of the same time
  assert.equal(await tokens.token(never), 't2');
  assert.equal(tokens.refused('t1'), true); // a late answer costs the new one nothing
  assert.equal(tokens.refused('t2'), false);
  assert.equal(await tokens.token(never), 't2');
  assert.equal(endpoint.received.length, 2);
  clock.advance(10_000);
  assert.equal(tokens.refused('t2'), true);
  assert.equal(await tokens.token(never), 't3');
});

test('what goes wrong is said, without the secret', async (t) => {
  const { endpoint, clock, tokens } = await setUp(t);
  const encoded = Buffer.from('an+id:p%26s%3A%C3%B6+s3cret').toString('base64');
  const json = (status: number, body: object) => answer(status, {}, JSON.stringify(body));
  const cases: [Respond, RegExp][] = [
    [json(401, { error: 'invalid_client' }), /answered 401: invalid_client$/],
    [
      json(400, { error: 'invalid_scope', error_description: 'no such scope' }),
      /400: invalid_scope: no such scope$/,
    ],
    [json(400, { error: 'x', error_description: `${SECRET} ${encoded}` }), /400: x: \*\*\* \*\*\*$/],
    [json(400, { error: `${'x'.repeat(290)}${SECRET}` }), /x\*\*\*$/],
    [answer(302, { location: '/elsewhere' }), /answered 302$/],
    [answer(500, {}, `<h1>${SECRET}</h1>`), /answered 500$/],
    [answer(200, {}, 'null'), /no access_token/],
    [answer(200, {}, 'not JSON'), /no access_token/],
    [json(200, { access_token: 'with a line\nbreak' }), /no access_token/],
    [json(200, { access_token: 'x', token_type: 'mac' }), /not of type Bearer/],
    [answer(200, {}, 'x'.repeat(300_000)), /longer than/],
    [reset, /ECONNRESET|socket hang up/],
  ];
  for (const [respond, reason] of cases) {
    endpoint.respond = respond;
    await assert.rejects(tokens.token(never), (error: Error) => {
      assert.ok(error instanceof TokenError);
      assert.match(error.message, reason);
      assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+\/in gave no token/);
      assert.doesNotMatch(error.message, /s3cret|tenant/);
      return true;
    });
    clock.advance(1000);
  }
  assert.equal(endpoint.received.length, cases.length);
  assert.equal(clock.timers, 0);
  await waitUntil('no connection is left', () => endpoint.sockets.size === 0);
});

test('after a failure nobody asks for a second', async (t) => {
  const { endpoint, clock, tokens: own } = await setUp(t);
  endpoint.respond = answer(503);
  for (let i = 0; i < 5; i++) await assert.rejects(own.token(never), /answered 503/);
  assert.equal(endpoint.received.length, 1);
  endpoint.respond = tokens(300);
  clock.advance(999);
  await assert.rejects(own.token(never), /answered 503/);
  clock.advance(1);
  assert.equal(await own.token(never), 't1');
});

test('a token endpoint that hangs is given up after 10 s, and leaves no connection', async (t) => {
  const { endpoint, clock, tokens } = await setUp(t);
  endpoint.respond = hang;
  const asking = tokens.token(never);
  await waitUntil('it is asked', () => endpoint.received.length === 1);
  clock.advance(10_000);
  await assert.rejects(asking, /no answer within 10000 ms/);
  await waitUntil('no connection is left', () => endpoint.sockets.size === 0);
});

test('one who gives up waiting does not end the request of the others', async (t) => {
  const { endpoint, tokens: own } = await setUp(t);
  const answered = Promise.withResolvers<void>();
  endpoint.respond = async (response, request) => {
    await answered.promise;
    tokens(300)(response, request);
  };
  const deadline = new AbortController();
  const impatient = own.token(deadline.signal);
  const patient = own.token(never);
  await waitUntil('it is asked', () => endpoint.received.length === 1);
  deadline.abort(new Error('too late'));
  await assert.rejects(impatient, /too late/);
  answered.resolve();
  assert.equal(await patient, 't1');
});

test('closing ends what is on its way', async (t) => {
  const { endpoint, clock, tokens } = await setUp(t);
  endpoint.respond = hang;
  const asking = tokens.token(never);
  await waitUntil('it is asked', () => endpoint.received.length === 1);
  tokens[Symbol.dispose]();
  await assert.rejects(asking, /closed/);
  await waitUntil('no connection is left', () => endpoint.sockets.size === 0);
  clock.advance(1000);
  await assert.rejects(tokens.token(never), /closed/);
  assert.equal(endpoint.received.length, 1);
});

test('a token endpoint with TLS is trusted by the given authority alone', async (t) => {
  const { ca, issue } = await certificateAuthority(t);
  const endpoint = await httpEndpoint(t, issue('server'));
  endpoint.respond = tokens(300);
  const client: OAuth2Client = {
    tokenUrl: endpoint.url,
    clientId: 'id',
    clientSecret: SECRET,
    scopes: [],
    audience: '',
    authentication: 'header',
  };
  using trusting = new OAuth2Tokens(client, { dial, tls: { ca }, clock: new ManualClock() });
  assert.equal(await trusting.token(never), 't1');
  using strange = new OAuth2Tokens(client, { dial, tls: {}, clock: new ManualClock() });
  await assert.rejects(strange.token(never), /certificate/);
  assert.equal(endpoint.received.length, 1);
});

test('a token endpoint that the guard refuses is not asked', async (t) => {
  const endpoint = await httpEndpoint(t);
  for (const tokenUrl of [endpoint.url, endpoint.url.replace('127.0.0.1', 'localhost')]) {
    const client: OAuth2Client = {
      tokenUrl,
      clientId: 'id',
      clientSecret: SECRET,
      scopes: [],
      audience: '',
      authentication: 'header',
    };
    const strict = dialer(createTargetGuard(false));
    using tokens = new OAuth2Tokens(client, { dial: strict, tls: {}, clock: new ManualClock() });
    await assert.rejects(tokens.token(never), /gave no token: refused/);
  }
  assert.equal(endpoint.opened, 0);
});
