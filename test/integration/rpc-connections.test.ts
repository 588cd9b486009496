import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { RpcServerOptions } from '../../src/rpc/server.ts';
import type { createMetrics } from '../../src/runtime/metrics.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import {
  callHeaders,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  openRaw,
  PING,
  PREFACE,
  type RawHttp2,
  rawConnection,
  rawConnections,
  SETTINGS,
} from '../helpers/raw-http2.ts';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
/** Without garbage: what sockets had lets go of more, once it is gone itself. */
async function heapUsed(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}

const { NGHTTP2_ENHANCE_YOUR_CALM: CALM } = constants;
const repeat = (bytes: Buffer, times: number) => Buffer.concat(Array<Buffer>(times).fill(bytes));

async function setUp(t: TestContext, options: Partial<RpcServerOptions> = {}) {
  const { metrics } = testDeps();
  const goOn = Promise.withResolvers<void>();
  t.after(() => goOn.resolve());
  const world = await rpcServerForTests(
    t,
    {
      watchIntegrations: async function* (_, { signal }) {
        yield {};
        await Promise.race([goOn.promise, once(signal, 'abort')]);
      },
      getIntegration: () => ({ integration: INTEGRATION }),
    },
    { metrics, ...options },
  );
  /** Fails when the server does not answer a good caller, on the connection that it has or on another one. */
  const answers = async () => {
    await world.client.createIntegration({ integration: INTEGRATION });
  };
  return { ...world, metrics, answers, address: world.server.grpcAddress };
}

async function cutsOf({ grpcConnectionsCut }: ReturnType<typeof createMetrics>) {
  const { values } = await grpcConnectionsCut.get();
  return Object.fromEntries(values.map(({ labels, value }) => [labels.reason, value]));
}

async function openIn({ grpcConnections }: ReturnType<typeof createMetrics>): Promise<number> {
  return (await grpcConnections.get()).values[0]!.value;
}

async function session(t: TestContext, address: string): Promise<ClientHttp2Session> {
  const opened = connect(`http://${address}`);
  opened.on('error', () => {});
  t.after(() => opened.destroy());
  await once(opened, 'connect');
  return opened;
}

const ping = (opened: ClientHttp2Session) =>
  new Promise<void>((resolve, reject) => {
    const cut = () => reject(new Error('the connection was cut'));
    opened.once('close', cut);
    opened.ping((error) => {
      opened.off('close', cut);
      if (error) reject(error);
      else resolve();
    });
  });

function call(opened: ClientHttp2Session, method: string) {
  const stream = opened.request(Object.fromEntries(callHeaders(method)));
  stream.on('error', () => {}).resume();
  stream.end(Buffer.alloc(5));
  return stream;
}

test('a connection that sends PINGs without end is cut, as gRPC clients know it, and others are not', async (t) => {
  const { address, answers, metrics } = await setUp(t);
  await answers();
  const raw = await rawConnection(t, address);
  raw.send(PREFACE, repeat(PING, 10_000));
  await raw.closed();
  assert.deepEqual(raw.goaways[0], [CALM, 'too_many_pings']);
  assert.ok(raw.count(FRAME.ping, FLAG.ack) <= 31);
  await answers();
  assert.deepEqual(await cutsOf(metrics), { pings: 1 });
  assert.equal(await openIn(metrics), 1);
});

test('a connection that sends SETTINGS without end is cut', async (t) => {
  const { address, answers, metrics } = await setUp(t);
  const raw = await rawConnection(t, address);
  raw.send(PREFACE, repeat(SETTINGS, 10_000));
  await raw.closed();
  assert.equal(raw.goaways[0]?.[0], CALM);
  assert.ok(raw.count(FRAME.settings, FLAG.ack) <= 31);
  await answers();
  assert.deepEqual(await cutsOf(metrics), { settings: 1 });
});

test('clients may send PINGs to keep a connection alive, and to measure it while they call and are answered', async (t) => {
  const clock = new FakeClock();
  const { address, metrics } = await setUp(t, { clock });
  const opened = await session(t, address);
  for (let i = 0; i < 100; i++) {
    await ping(opened);
    await clock.advance(1000);
  }
  for (let i = 0; i < 10; i++) {
    for (let j = 0; j < 25; j++) await ping(opened);
    await once(call(opened, 'GetIntegration'), 'close');
  }
  assert.deepEqual(await cutsOf(metrics), {});
  assert.equal(opened.closed, false);
});

test('each message of a stream makes room for PINGs', async (t) => {
  const { metrics } = testDeps();
  const next = [Promise.withResolvers<void>()];
  const { server } = await rpcServerForTests(
    t,
    {
      watchIntegrations: async function* () {
        for (let i = 0; i < 10; i++) {
          await next[i]!.promise;
          yield {};
        }
      },
    },
    { metrics },
  );
  const opened = await session(t, server.grpcAddress);
  const stream = call(opened, 'WatchIntegrations');
  for (let i = 0; i < 10; i++) {
    for (let j = 0; j < 25; j++) await ping(opened);
    next.push(Promise.withResolvers<void>());
    next[i]!.resolve();
    await once(stream, 'data');
  }
  assert.deepEqual(await cutsOf(metrics), {});
  assert.equal(opened.closed, false);
});

test('a connection without a whole preface is closed after 5 s, and one with it is not', async (t) => {
  const clock = new FakeClock();
  const { address, metrics } = await setUp(t, { clock });
  const [silent, half, without, whole] = await rawConnections(t, address, 4);
  half!.send(PREFACE.subarray(0, 10));
  without!.send(PREFACE.subarray(0, 24));
  whole!.send(PREFACE);
  await waitUntil('its settings are taken', () => whole!.count(FRAME.settings, FLAG.ack) === 1);
  await waitUntil('all are let in', async () => (await openIn(metrics)) === 4);
  await clock.advance(4999);
  assert.equal(await openIn(metrics), 4);
  await clock.advance(1);
  await Promise.all([silent, half, without].map((raw) => raw!.closed()));
  await clock.advance(10_000);
  assert.equal(whole!.socket.closed, false);
  assert.deepEqual(await cutsOf(metrics), { silent: 3 });
  assert.equal(await openIn(metrics), 1);
});

test('what is no HTTP/2 is closed at once', async (t) => {
  const { address, answers, metrics } = await setUp(t);
  const raw = await rawConnection(t, address);
  raw.send(Buffer.from('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'));
  await raw.closed();
  await answers();
  assert.equal(await openIn(metrics), 1);
});

test('hundreds of sockets that say nothing keep nobody out: those go that are longest without a call', async (t) => {
  const limits = { PENSTOCK_API_MAX_CONNECTIONS: 50, PENSTOCK_API_MAX_CONNECTIONS_PER_ADDRESS: 50 };
  const { address, client, metrics } = await setUp(t, { limits });
  const watching = await session(t, address);
  const stream = call(watching, 'WatchIntegrations');
  await once(stream, 'data');
  await client.createIntegration({ integration: INTEGRATION });
  const sockets = await rawConnections(t, address, 400);
  // Its own connection went, too: it has another one now, and does not notice.
  await client.createIntegration({ integration: INTEGRATION });
  await waitUntil('the others are cut', () => sockets.filter(({ socket }) => socket.closed).length >= 352);
  assert.equal(sockets.at(-1)!.socket.closed, false);
  assert.equal(watching.closed, false);
  assert.equal(await openIn(metrics), 50);
  assert.deepEqual(await cutsOf(metrics), { crowded_out: 353 });
});

test('an address has no more connections than it may, and takes none of others', async (t) => {
  const limits = { PENSTOCK_API_MAX_CONNECTIONS: 100, PENSTOCK_API_MAX_CONNECTIONS_PER_ADDRESS: 10 };
  const { address, answers, metrics } = await setUp(t, { limits });
  await answers();
  const own = await rawConnections(t, address, 3);
  const greedy = await rawConnections(t, address, 40, '127.0.0.2');
  await waitUntil('those beyond are cut', () => greedy.filter(({ socket }) => socket.closed).length === 30);
  await waitUntil('the others are let in', async () => (await openIn(metrics)) === 14);
  assert.ok(own.every(({ socket }) => !socket.closed));
  assert.deepEqual(await cutsOf(metrics), { crowded_out: 30 });
});

test('where all connections have calls another one is refused, and let in once a call has ended', async (t) => {
  const limits = { PENSTOCK_API_MAX_CONNECTIONS: 10 };
  const { address, metrics } = await setUp(t, { limits });
  const streams = [];
  for (let i = 0; i < 10; i++) {
    const stream = call(await session(t, address), 'WatchIntegrations');
    await once(stream, 'data');
    streams.push(stream);
  }
  const refused = await rawConnection(t, address);
  await refused.closed();
  assert.deepEqual(await cutsOf(metrics), { refused: 1 });
  streams[0]!.close();
  await once(streams[0]!, 'close');
  await waitUntil('there is room', async () => {
    const raw = await rawConnection(t, address);
    raw.send(PREFACE);
    await Promise.race([raw.closed(), once(raw.socket, 'data')]);
    return !raw.socket.closed;
  });
  assert.ok(streams.slice(1).every(({ closed }) => !closed));
});

test('calls that are begun and reset without end end their connection', async (t) => {
  const { address, answers } = await setUp(t);
  const raw = await rawConnection(t, address);
  const block = headerBlock(callHeaders('WatchIntegrations'));
  const cancel = Buffer.from([0, 0, 0, 8]);
  raw.send(PREFACE);
  raw.send(
    ...Array.from({ length: 20_000 }, (_, i) => [
      frame(FRAME.headers, FLAG.endHeaders, 2 * i + 1, block),
      frame(FRAME.reset, 0, 2 * i + 1, cancel),
    ]).flat(),
  );
  await raw.closed();
  assert.equal(raw.goaways.length > 0, true);
  await answers();
});

test('headers of more than 16 KiB are refused, and the connection goes on', async (t) => {
  const { address } = await setUp(t);
  const opened = await session(t, address);
  await ping(opened); // the settings of the server have come by now
  const withHeader = async (length: number) => {
    const headers = Object.fromEntries(callHeaders('GetIntegration', ['x-long', 'x'.repeat(length)]));
    const stream = opened.request(headers);
    stream.on('error', () => {}).resume();
    stream.end(Buffer.alloc(5));
    await new Promise((resolve) => stream.once('close', resolve));
    return stream.rstCode;
  };
  assert.equal(await withHeader(17_000), CALM);
  assert.equal(await withHeader(15_000), constants.NGHTTP2_NO_ERROR);
});

test('headers that never end end their connection', async (t) => {
  const { address, answers } = await setUp(t);
  const raw = await rawConnection(t, address);
  raw.send(PREFACE, frame(FRAME.headers, 0, 1, headerBlock(callHeaders('GetIntegration'))));
  const more = frame(FRAME.continuation, 0, 1, headerBlock([['x', 'y'.repeat(1000)]]));
  raw.send(repeat(more, 2000));
  await raw.closed();
  await answers();
});

test('nothing is kept of connections that are gone, whatever they went for', {
  timeout: 120_000,
}, async (t) => {
  const limits = { PENSTOCK_API_MAX_CONNECTIONS: 20 };
  const { address, answers, metrics } = await setUp(t, { limits });
  const block = headerBlock(callHeaders('WatchIntegrations'));
  const crowd: RawHttp2[] = [];
  const attack = async (times: number) => {
    for (let i = 0; i < times; i++) {
      const [flood, call, silent] = [await openRaw(address), await openRaw(address), await openRaw(address)];
      flood.send(PREFACE, repeat(PING, 200));
      call.send(PREFACE, frame(FRAME.headers, FLAG.endHeaders, 1, block), PING.subarray(0, 9));
      silent.send(PREFACE.subarray(0, 10));
      await flood.closed();
      call.socket.destroy();
      crowd.push(silent);
      if (crowd.length > 30) await crowd.shift()!.closed();
    }
    await answers();
    await waitUntil('those that called are gone', async () => (await openIn(metrics)) <= 20);
    return heapUsed();
  };
  t.after(() => {
    for (const { socket } of crowd) socket.destroy();
  });
  const before = await attack(400);
  const grown = (await attack(300)) - before;
  // One that is kept takes 5 KiB or more.
  assert.ok(grown < 900 * 2800, `${grown} bytes of 900 connections`);
});
