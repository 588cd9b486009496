import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import type { RpcServerOptions } from '../../src/rpc/server.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { NGHTTP2_ENHANCE_YOUR_CALM: CALM } = constants;
const MIB = 1 << 20;
const CREATE = '/penstock.v1.IntegrationService/CreateIntegration';
const WATCH = '/penstock.v1.IntegrationService/WatchIntegrations';
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';

async function setUp(t: TestContext, options: Partial<RpcServerOptions> = {}) {
  const { metrics } = testDeps();
  const handlers = {
    watchIntegrations: async function* (_: unknown, { signal }: { signal: AbortSignal }) {
      yield {};
      await once(signal, 'abort');
    },
  };
  const { server, client } = await rpcServerForTests(t, handlers, { metrics, ...options });
  const session = async () => {
    const opened = connect(`http://${server.grpcAddress}`);
    opened.on('error', () => {});
    t.after(() => opened.destroy());
    await once(opened, 'connect');
    return opened;
  };
  const cuts = async () => {
    const { values } = await metrics.requestsCut.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.reason, value]));
  };
  const answers = async () => {
    await client.createIntegration({ integration: INTEGRATION });
  };
  return { session, cuts, answers };
}

/** A call whose request is not ended. */
function begin(session: ClientHttp2Session, path = CREATE): ClientHttp2Stream {
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  return stream.on('error', () => {}).resume();
}

/** The beginning of a message of this length. */
function message(length: number, bytes: number): Buffer {
  const head = Buffer.alloc(5 + bytes);
  head.writeUInt32BE(length, 1);
  return head;
}

const written = (stream: ClientHttp2Stream, bytes: Buffer) =>
  new Promise<void>((resolve) => {
    stream.write(bytes, () => resolve());
  });

const closed = (stream: ClientHttp2Stream) =>
  new Promise<void>((resolve) => {
    if (stream.closed) resolve();
    else stream.once('close', resolve);
  });

/** Whether the server has seen all that was sent so far. */
const seen = (session: ClientHttp2Session) =>
  new Promise<void>((resolve) => {
    session.ping(() => resolve());
  });

test('a request that is not whole within 30 s is cut, however much comes of it; what is whole goes on', async (t) => {
  const clock = new FakeClock();
  const { session, cuts } = await setUp(t, { clock });
  const opened = await session();
  const [silent, slow, reflecting] = [begin(opened), begin(opened), begin(opened, REFLECTION)];
  const watching = begin(opened, WATCH);
  watching.end(message(0, 0));
  await seen(opened);
  for (let i = 0; i < 29; i++) {
    await clock.advance(1000);
    await written(slow, i === 0 ? message(1000, 1) : Buffer.alloc(1));
    await seen(opened);
  }
  const later = begin(opened);
  await seen(opened);
  assert.deepEqual(await cuts(), {});
  await clock.advance(1000);
  await Promise.all([silent, slow].map(closed));
  assert.deepEqual([silent.rstCode, slow.rstCode], [CALM, CALM]);
  assert.deepEqual(
    [later, reflecting, watching, opened].map((one) => one.closed),
    [false, false, false, false],
  );
  await clock.advance(29_000);
  await closed(later);
  assert.deepEqual(await cuts(), { slow: 3 });
  assert.deepEqual([reflecting.closed, watching.closed], [false, false]);
});

test('a stranger, and a call that there is not, gets no more time by what it calls', async (t) => {
  const clock = new FakeClock();
  const { session, cuts } = await setUp(t, { clock, authenticate: async () => undefined });
  const opened = await session();
  const streams = [REFLECTION, '/grpc.reflection.nothing/Here', CREATE].map((path) => begin(opened, path));
  await seen(opened);
  await clock.advance(30_000);
  await Promise.all(streams.map(closed));
  assert.deepEqual(await cuts(), { slow: 3 });
});

test('who could ask over one stream for long has 30 s to end it once he is refused', async (t) => {
  const clock = new FakeClock();
  const limits = { PENSTOCK_API_MAX_CALLS_PER_CALLER: 1 };
  const { session, cuts } = await setUp(t, { clock, limits });
  const opened = await session();
  const [talking, refused] = [begin(opened, REFLECTION), begin(opened, REFLECTION)];
  const [headers] = await once(refused, 'response');
  assert.equal(headers['grpc-status'], String(Code.RESOURCE_EXHAUSTED));
  await clock.advance(30_000);
  await closed(refused);
  assert.deepEqual(await cuts(), { slow: 1 });
  assert.equal(talking.closed, false);
});

test('requests that are not whole hold no more than 128 MiB: the first that began are cut', async (t) => {
  const { session, cuts, answers } = await setUp(t);
  const streams: ClientHttp2Stream[] = [];
  for (let i = 0; i < 44; i++) {
    const stream = begin(await session());
    streams.push(stream);
    await written(stream, message(4 * MIB - 100, 3 * MIB));
  }
  await waitUntil('the first are cut', async () => (await cuts()).memory === 2);
  await Promise.all(streams.slice(0, 2).map(closed));
  await answers();
  assert.ok(streams.slice(2).every((stream) => !stream.closed));
});

test('no more requests may be unfinished than calls be answered: the first that began are cut', async (t) => {
  const { session, cuts, answers } = await setUp(t, { limits: { PENSTOCK_API_MAX_CALLS: 20 } });
  const opened = await session();
  const streams = Array.from({ length: 50 }, () => begin(opened));
  await Promise.all(streams.slice(0, 30).map(closed));
  assert.deepEqual(await cuts(), { crowded_out: 30 });
  await answers();
  assert.deepEqual(await cuts(), { crowded_out: 31 });
  assert.equal(streams.filter((stream) => !stream.closed).length, 19);
});

test('requests that are whole are counted no more, whatever becomes of their calls', async (t) => {
  const { session, cuts, answers } = await setUp(t, { limits: { PENSTOCK_API_MAX_CALLS: 10 } });
  const opened = await session();
  for (let i = 0; i < 100; i++) {
    const stream = begin(opened, i % 3 === 0 ? '/no.such/Method' : CREATE);
    if (i % 3 === 1) stream.close(constants.NGHTTP2_CANCEL);
    else stream.end(message(4 * MIB, 0));
    await closed(stream);
  }
  for (let i = 0; i < 30; i++) await answers();
  assert.deepEqual(await cuts(), {});
});
