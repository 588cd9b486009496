import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const EMPTY_MESSAGE = Buffer.alloc(5);

/** A caller that opens no window for what it is sent. */
async function callerThatReadsNothing(t: TestContext, grpcAddress: string): Promise<ClientHttp2Session> {
  const session = connect(`http://${grpcAddress}`, { settings: { initialWindowSize: 0 } });
  t.after(() => session.destroy());
  session.on('error', () => {});
  await once(session, 'localSettings'); // the server has agreed to them
  return session;
}

function call(session: ClientHttp2Session, method: string) {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/penstock.v1.IntegrationService/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => {});
  stream.end(EMPTY_MESSAGE);
  return stream;
}

/** `once` would fail with the error that comes before. */
const closed = (stream: ClientHttp2Stream) =>
  new Promise<void>((resolve) => {
    stream.once('close', resolve);
  });

const large = { integration: { ...INTEGRATION, description: 'x'.repeat(4096) } };
const cutsOf = async (metrics: ReturnType<typeof testDeps>['metrics']) =>
  (await metrics.answersCut.get()).values.map(({ labels, value }) => [labels.protocol, labels.reason, value]);

test('answers that nobody reads are given up, on a connection that answers pings', async (t) => {
  const { metrics } = testDeps();
  const updateIntegration = () => large;
  const { server, client } = await rpcServerForTests(
    t,
    { updateIntegration },
    { stallTimeout: 300, metrics },
  );
  const session = await callerThatReadsNothing(t, server.grpcAddress);
  const streams = Array.from({ length: 20 }, () => call(session, 'UpdateIntegration'));
  await Promise.all(streams.map(closed));
  for (const { rstCode } of streams) assert.equal(rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  assert.deepEqual(await cutsOf(metrics), [['grpc', 'stalled', 20]]);
  assert.equal(session.closed, false);
  const { integration } = await client.updateIntegration({ integration: INTEGRATION });
  assert.equal(integration?.description, large.integration.description);
});

test('a stream of which nothing is read is ended, however little waits; one that was sent nothing is not', async (t) => {
  const ended: string[] = [];
  const goOn = Promise.withResolvers<void>();
  const { server } = await rpcServerForTests(
    t,
    {
      watchIntegrations: async function* (_, { signal, requestHeader }) {
        const name = requestHeader.get('x-name') ?? '';
        try {
          if (name === 'quiet') await goOn.promise;
          yield {};
          await sleep(60_000, undefined, { signal });
        } finally {
          ended.push(name);
        }
      },
    },
    { stallTimeout: 300 },
  );
  const session = await callerThatReadsNothing(t, server.grpcAddress);
  const watch = (name: string) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/penstock.v1.IntegrationService/WatchIntegrations',
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-name': name,
    });
    stream.on('error', () => {});
    stream.end(EMPTY_MESSAGE);
    return stream;
  };
  watch('quiet');
  const unread = watch('unread');
  const whenClosed = closed(unread);
  await waitUntil('it is ended', () => ended.length > 0);
  assert.deepEqual(ended, ['unread']);
  await whenClosed;
  assert.equal(unread.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  assert.deepEqual(ended, ['unread']);
  goOn.resolve();
});
