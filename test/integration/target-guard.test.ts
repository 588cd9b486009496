import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { AddressProblem } from '../../src/runtime/target-address.ts';
import { createTargetGuard, type TargetGuard, TargetRefusedError } from '../../src/runtime/target-guard.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { bound, connected, contextOf, never, outbound } from '../helpers/handler.ts';
import { type HttpEndpoint, httpEndpoint } from '../helpers/http-endpoint.ts';

const [REFUSING, ALLOWING] = [createTargetGuard(false), createTargetGuard(true)];
/** What getaddrinfo takes for 127.0.0.1. */
const HOSTS = [
  '127.0.0.1',
  'localhost',
  '127.1',
  '0x7f000001',
  '2130706433',
  '::ffff:7f00:1',
  '[::ffff:7f00:1]',
];

/** The port of a server that is up, and stopped after the test; and how many came to it. */
async function listening(t: TestContext) {
  const came = { port: 0, connections: 0 };
  const server = createServer((socket) => {
    came.connections++;
    socket.on('error', () => {}).resume();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => once(server.close(), 'close'));
  came.port = (server.address() as AddressInfo).port;
  return came;
}

/** The error of a socket, or undefined when it connects. */
async function errorOf(socket: Socket, event = 'connect'): Promise<Error | undefined> {
  try {
    await once(socket, event);
    return undefined;
  } catch (error) {
    return error as Error;
  } finally {
    socket.destroy();
  }
}

/** Addresses are found harmless first, and refused from the `nth` look at them on. */
function latelyRefusing(nth: number): TargetGuard {
  let looks = 0;
  const problem = (): AddressProblem | undefined => (++looks >= nth ? 'local' : undefined);
  return createTargetGuard(true, undefined, problem);
}

test('a socket reaches this machine only where that is allowed, whatever it is called', async (t) => {
  const { port } = await listening(t);
  for (const host of HOSTS) {
    assert.equal(await errorOf(ALLOWING.connect({ host, port })), undefined, host);
    const error = await errorOf(REFUSING.connect({ host, port }));
    assert.ok(error instanceof TargetRefusedError, `${host}: ${error}`);
    assert.match(error.message, /^refused: .* is a private address; allow it with INTEGRATIONS_ALLOW_LOCAL/);
  }
});

/** Any name is this machine. */
const resolving = (allowsLocal: boolean) =>
  createTargetGuard(allowsLocal, async () => [{ address: '127.0.0.1', family: 4 }]);

test('a name is refused by what it resolves to', async (t) => {
  const server = await listening(t);
  const target = { host: 'innocent.example.com', port: server.port };
  assert.equal(await errorOf(resolving(true).connect(target)), undefined);
  const error = await errorOf(resolving(false).connect(target));
  assert.match(
    error?.message ?? '',
    /^refused: innocent\.example\.com \(127\.0\.0\.1\) is a private address/,
  );
  assert.equal(server.connections, 1);
});

test('where a socket came to is looked at again', async (t) => {
  const authority = await certificateAuthority(t);
  const endpoint = await httpEndpoint(t, authority.issue('server'));
  const target = { host: '127.0.0.1', port: endpoint.port };
  const tls = { ca: authority.ca };
  for (const options of [target, { ...target, tls }]) {
    const socket = latelyRefusing(2).connect(options);
    const error = (await once(socket, 'error'))[0] as Error;
    assert.match(error.message, /^refused: 127\.0\.0\.1 \(127\.0\.0\.1\) is a private address/);
    assert.ok(socket.destroyed);
  }
  assert.deepEqual(endpoint.received, []);
});

test('TLS goes through the same checks', async (t) => {
  const authority = await certificateAuthority(t);
  const { port } = await httpEndpoint(t, authority.issue('server'));
  const options = { host: '127.0.0.1', port, tls: { ca: authority.ca, lookup: undefined } };
  assert.equal(await errorOf(ALLOWING.connect(options), 'secureConnect'), undefined);
  assert.ok((await errorOf(REFUSING.connect(options), 'secureConnect')) instanceof TargetRefusedError);
});

const http = (endpoint: HttpEndpoint, host = '127.0.0.1') => ({
  case: 'http' as const,
  value: { restEndpointUrl: `http://${host}:${endpoint.port}/in` },
});

async function deliver(t: TestContext, endpoint: HttpEndpoint, host: string, guard: TargetGuard) {
  const handler = await connected(t, http(endpoint, host), { guard });
  const [outcome] = await handler.deliver([outbound('hello')], never);
  return outcome;
}

test('an HTTP integration reaches this machine only where that is allowed', async (t) => {
  const endpoint = await httpEndpoint(t);
  for (const host of ['127.0.0.1', 'localhost', '127.1', '2130706433', '[::ffff:7f00:1]']) {
    assert.deepEqual(await deliver(t, endpoint, host, ALLOWING), { delivered: true }, host);
    const outcome = await deliver(t, endpoint, host, REFUSING);
    assert.ok(outcome?.delivered === false);
    assert.equal(outcome.failureClass, FailureClass.UNAVAILABLE);
    assert.match(
      outcome.reason,
      /^refused: .* is a private address; allow it with INTEGRATIONS_ALLOW_LOCAL_/,
    );
    const found = await bound(http(endpoint, host)).check(contextOf({ guard: REFUSING }), never);
    assert.equal(found.reachable, false);
    assert.match(found.message, /refused: .* is a private address; allow it with INTEGRATIONS_ALLOW_LOCAL/);
  }
  assert.equal(endpoint.received.length, 5);
  assert.equal(endpoint.opened, 5, 'what is refused is not even connected to');
});

test('an HTTP integration is refused by what its name resolves to, before it connects', async (t) => {
  const endpoint = await httpEndpoint(t);
  const host = 'innocent.example.com';
  assert.deepEqual(await deliver(t, endpoint, host, resolving(true)), { delivered: true });
  const outcome = await deliver(t, endpoint, host, resolving(false));
  assert.ok(outcome?.delivered === false);
  assert.equal(outcome.failureClass, FailureClass.UNAVAILABLE);
  assert.match(outcome.reason, /^refused: innocent\.example\.com \(127\.0\.0\.1\) is a private address/);
  assert.equal(endpoint.opened, 1);
});

test('an HTTP integration looks at where it came to, and answers every message of a pool', async (t) => {
  const endpoint = await httpEndpoint(t);
  const handler = await connected(t, http(endpoint), { guard: latelyRefusing(2) });
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () => handler.deliver([outbound('hello')], never)),
  );
  for (const [outcome] of outcomes) assert.ok(outcome?.delivered === false && /refused/.test(outcome.reason));
  assert.equal(endpoint.received.length, 0);
});

test('a configuration with an address that is refused is not valid, without a look at the network', () => {
  const violations = (restEndpointUrl: string, guard: TargetGuard) =>
    bound({ case: 'http', value: { restEndpointUrl } }).validate(guard);
  for (const host of ['127.0.0.1', 'localhost', '127.1', '0x7f000001', '[::ffff:7f00:1]', '10.0.0.1']) {
    assert.deepEqual(violations(`http://${host}:9999/in`, ALLOWING), []);
    const [violation, ...more] = violations(`http://${host}:9999/in`, REFUSING);
    assert.deepEqual([violation?.field, more], ['rest_endpoint_url', []]);
    assert.match(
      violation?.description ?? '',
      /private address; allow it with INTEGRATIONS_ALLOW_LOCAL_NETW/,
    );
  }
  assert.deepEqual(violations('https://example.com/in', REFUSING), []);
  const [violation] = violations('http://169.254.169.254/latest/meta-data/', ALLOWING);
  assert.match(violation?.description ?? '', /is a cloud metadata address/);
});
