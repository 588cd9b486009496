import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { never } from '../helpers/handler.ts';
import { answer, type HttpEndpoint, hang, httpEndpoint, type Respond } from '../helpers/http-endpoint.ts';
import {
  check,
  deliverOne,
  deliverTo,
  failureOf,
  type HttpConfig,
  httpHandler,
  message,
} from '../helpers/http-handler.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const SECRET = 's3cret-client';

/** Gives out tokens t1, t2, … */
function tokens(): Respond {
  let count = 0;
  return (response) => {
    count++;
    response.writeHead(200).end(JSON.stringify({ access_token: `t${count}`, expires_in: 300 }));
  };
}

/** Takes requests with this token alone. */
const taking =
  (token: string): Respond =>
  (response, { headers }) =>
    response.writeHead(headers.authorization === `Bearer ${token}` ? 200 : 401).end();

const oauth2 = (tokenUrl: string) => ({
  credentials: { case: 'oauth2' as const, value: { tokenUrl, clientId: 'id', clientSecret: SECRET } },
});

async function withTokens(t: TestContext, config: HttpConfig = {}, clock = new ManualClock()) {
  const issuer = await httpEndpoint(t);
  issuer.respond = tokens();
  const to = (restEndpointUrl: string) => ({ restEndpointUrl, credentials: oauth2(issuer.url), ...config });
  return { issuer, clock, ...(await deliverTo(t, to, { clock })) };
}

const tokensSent = ({ received }: HttpEndpoint) => received.map(({ headers }) => headers.authorization);

test('a bearer token is sent with each request', async (t) => {
  const { endpoint, handler } = await deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    credentials: { credentials: { case: 'bearer', value: { token: 'abc.def' } } },
  }));
  await deliverOne(handler, message('x'));
  assert.deepEqual(tokensSent(endpoint), ['Bearer abc.def']);
});

test('an access token is fetched once, sent with each request, and renewed', async (t) => {
  const { issuer, endpoint, handler, clock } = await withTokens(t);
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, (_, i) => deliverOne(handler, message('x', {}, i))),
  );
  assert.ok(outcomes.every((outcome) => outcome === DELIVERED));
  assert.deepEqual(new Set(tokensSent(endpoint)), new Set(['Bearer t1']));
  assert.equal(issuer.received.length, 1);
  clock.advance(300_000);
  await deliverOne(handler, message('x'));
  assert.equal(tokensSent(endpoint).at(-1), 'Bearer t2');
});

test('a token that the endpoint does not take any more is replaced, and the message sent again', async (t) => {
  const { issuer, endpoint, handler } = await withTokens(t);
  endpoint.respond = taking('t1');
  assert.equal(await deliverOne(handler, message('x')), DELIVERED);
  endpoint.respond = taking('t2');
  assert.equal(await deliverOne(handler, message('x')), DELIVERED);
  assert.deepEqual(tokensSent(endpoint), ['Bearer t1', 'Bearer t1', 'Bearer t2']);
  endpoint.respond = answer(401);
  const { failureClass, reason } = await failureOf(handler);
  assert.equal(failureClass, FailureClass.UNAVAILABLE);
  assert.match(reason, /answered 401/);
  assert.equal(issuer.received.length, 2);
});

test('without a token nothing leaves, and the reason is said without the secret', async (t) => {
  const { issuer, endpoint, handler } = await withTokens(t);
  issuer.respond = answer(
    401,
    {},
    JSON.stringify({ error: 'invalid_client', error_description: `no ${SECRET}` }),
  );
  const { failureClass, reason } = await failureOf(handler);
  assert.equal(failureClass, FailureClass.UNAVAILABLE);
  assert.match(reason, /gave no token: it answered 401: invalid_client: no \*\*\*$/);
  assert.equal(endpoint.received.length, 0);
});

test('a token endpoint that hangs is within read_timeout, and within the deadline', async (t) => {
  const { issuer, handler, clock } = await withTokens(t, { readTimeout: durationFromMs(100) });
  issuer.respond = hang;
  const sending = failureOf(handler);
  await waitUntil('it is asked', () => issuer.received.length === 1);
  clock.advance(100);
  assert.equal((await sending).failureClass, FailureClass.TIMEOUT);
  const deadline = new AbortController();
  const late = deliverOne(handler, message('x'), deadline.signal);
  deadline.abort(new Error('too late'));
  await assert.rejects(late, /too late/);
});

test('disposing ends the request for a token, too', async (t) => {
  const { issuer, handler } = await withTokens(t);
  issuer.respond = hang;
  const sending = failureOf(handler);
  await waitUntil('it is asked', () => issuer.received.length === 1);
  await handler[Symbol.asyncDispose]();
  await sending;
  await waitUntil('no connection is left', () => issuer.sockets.size === 0);
});

test('a check gets a token like a delivery', async (t) => {
  const { issuer, endpoint } = await withTokens(t);
  const config = { restEndpointUrl: endpoint.url, credentials: oauth2(issuer.url) };
  endpoint.respond = taking('t1');
  assert.deepEqual(await check(config), {
    reachable: true,
    message: 'the endpoint answers 200 to HEAD',
    isAuthenticated: true,
  });
  issuer.respond = answer(400, {}, '{"error": "invalid_scope"}');
  const { reachable, message } = await check(config);
  assert.equal(reachable, false);
  assert.match(message, /gave no token: it answered 400: invalid_scope/);
});

test('what an endpoint repeats of our credentials does not get into the reason', async (t) => {
  const echo: Respond = (response, { headers }) =>
    response.writeHead(500).end(`you sent ${JSON.stringify(headers.authorization)}, pa55word, and more`);
  const { endpoint, handler } = await withTokens(t);
  endpoint.respond = echo;
  assert.equal(
    (await failureOf(handler)).reason,
    'the endpoint answered 500: you sent "Bearer ***", pa55word, and more',
  );
  const basic = { username: 'u', password: 'pa55word' };
  const other = await deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    credentials: { credentials: { case: 'basic', value: basic } },
  }));
  other.endpoint.respond = echo;
  assert.equal(
    (await failureOf(other.handler)).reason,
    'the endpoint answered 500: you sent "Basic ***", ***, and more',
  );
});

test('secret headers are sent with each request, and do not get into a reason', async (t) => {
  const config = (restEndpointUrl: string) => ({
    restEndpointUrl,
    secretHeaders: [
      { name: 'X-Api-Key', value: 'k3y-of-mine' },
      { name: 'x-empty', value: '' },
    ],
  });
  const { endpoint, handler } = await deliverTo(t, config);
  await deliverOne(handler, message('x'));
  endpoint.respond = (response, { headers }) => response.writeHead(400).end(`no: ${headers['x-api-key']}`);
  assert.equal((await failureOf(handler)).reason, 'the endpoint answered 400: no: ***');
  await check(config(endpoint.url));
  for (const { headers } of endpoint.received) {
    assert.equal(headers['x-api-key'], 'k3y-of-mine');
    assert.equal(headers['x-empty'], '');
  }
});

test('an authority and a client certificate go with any credentials; the token endpoint may have the system’s', async (t) => {
  const authority = await certificateAuthority(t);
  const server = authority.issue('server');
  const issuer = await httpEndpoint(t, server);
  issuer.respond = tokens();
  const endpoint = await httpEndpoint(t, {
    ...server,
    ca: authority.ca,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const { cert, key } = authority.issue('device-7');
  const tls = { caCert: authority.ca, cert, privateKey: key };
  const kinds: NonNullable<HttpConfig['credentials']>[] = [
    oauth2(issuer.url),
    { credentials: { case: 'bearer', value: { token: 'abc' } } },
    { credentials: { case: 'basic', value: { username: 'u' } } },
  ];
  for (const credentials of kinds) {
    const handler = await httpHandler(t, { restEndpointUrl: endpoint.url, tls, credentials });
    assert.deepEqual(await deliverOne(handler, message('x'), never), DELIVERED);
  }
  assert.deepEqual(
    endpoint.received.map(({ clientCn }) => clientCn),
    ['device-7', 'device-7', 'device-7'],
  );
  assert.deepEqual(tokensSent(endpoint), ['Bearer t1', 'Bearer abc', 'Basic dTo=']);
  assert.equal(issuer.received[0]?.clientCn, undefined);
});
