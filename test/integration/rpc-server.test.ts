import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { BadRequestSchema, ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { detailOf, RpcError } from '../../src/rpc/error.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { HOST, INTEGRATION, rpcServerForTests, SECRET_TEXT } from '../helpers/rpc-server.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';
const CREATE = '/penstock.v1.IntegrationService/CreateIntegration';

async function rpcErrorOf(work: Promise<unknown>): Promise<RpcError> {
  const error = await work.then(
    () => assert.fail('it should have failed'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof RpcError, String(error));
  return error;
}

/** A unary call with these bytes as its message; resolves to its status code. */
function callWithBytes(address: string, path: string, bytes: Buffer): Promise<number> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
  });
  const same = (buffer: Buffer) => buffer;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, bytes, { deadline: Date.now() + 10_000 }, (error) => {
      client.close();
      resolve(error?.code ?? Code.OK);
    });
  });
}

test('a unary call answers', async (t) => {
  const { client } = await rpcServerForTests(t);
  const { integration } = await client.createIntegration({ integration: INTEGRATION });
  assert.equal(integration?.name, INTEGRATION.name);
});

test('an invalid request is refused with the path of each wrong field, before the handler', async (t) => {
  let calls = 0;
  const { client } = await rpcServerForTests(t, {
    createIntegration: () => {
      calls += 1;
      return {};
    },
  });
  const wrong = { ...INTEGRATION, name: '', topicFilters: ['a', 'b+'] };
  const error = await rpcErrorOf(client.createIntegration({ integration: wrong }));
  assert.equal(error.code, Code.INVALID_ARGUMENT);
  assert.match(
    error.message,
    /^integration\.name: .*; integration\.topic_filters\[1\]: must be an MQTT topic filter/,
  );
  const fields = detailOf(error, BadRequestSchema)?.fieldViolations.map(({ field }) => field);
  assert.deepEqual(fields, ['integration.name', 'integration.topic_filters[1]']);
  assert.equal(calls, 0);
});

test('a handler’s error reaches the caller with code, message and details', async (t) => {
  const { client } = await rpcServerForTests(t);
  const error = await rpcErrorOf(client.getIntegration({ id: ID }));
  assert.equal(error.code, Code.NOT_FOUND);
  assert.equal(error.message, `integration ${ID} is not known`);
  const { reason, domain } = detailOf(error, ErrorInfoSchema) ?? {};
  assert.deepEqual({ reason, domain }, { reason: 'NOT_FOUND', domain: 'penstock.v1' });
});

test('an error nobody meant for the caller is logged once and not told', async (t) => {
  const { client, logged } = await rpcServerForTests(t);
  const error = await rpcErrorOf(client.listIntegrations({}));
  assert.equal(error.code, Code.INTERNAL);
  assert.equal(error.message, 'internal error');
  assert.deepEqual(error.details, []);
  assert.equal(logged.length, 1);
  const line = JSON.parse(logged[0] ?? '');
  assert.equal(line.method, 'penstock.v1.IntegrationService/ListIntegrations');
  assert.equal(line.error, SECRET_TEXT);
});

test('many and long violations fit into the headers of an answer', async (t) => {
  const { client } = await rpcServerForTests(t);
  const keys = Array.from({ length: 90 }, (_, i) => `${'😀'.repeat(100)}${i}`);
  const metadata = Object.fromEntries(keys.map((key) => [key, 'x'.repeat(5000)]));
  const error = await rpcErrorOf(client.createIntegration({ integration: { ...INTEGRATION, metadata } }));
  assert.equal(error.code, Code.INVALID_ARGUMENT);
  assert.equal(detailOf(error, BadRequestSchema)?.fieldViolations.length, 10);
  assert.ok(error.message.length <= 1000);
});

test('a deadline ends the call on both sides', async (t) => {
  let aborted = false;
  let left: number | undefined;
  const { client, logged } = await rpcServerForTests(t, {
    getIntegration: async (_, { signal, timeoutMs }) => {
      left = timeoutMs();
      await sleep(60_000, undefined, { signal }).catch((error) => {
        aborted = true;
        throw error;
      });
      return {};
    },
  });
  const error = await rpcErrorOf(client.getIntegration({ id: ID }, { deadline: 200 }));
  assert.equal(error.code, Code.DEADLINE_EXCEEDED);
  await waitUntil('the handler is told', () => aborted);
  assert.ok(left !== undefined && left <= 200);
  assert.deepEqual(logged, []);
});

test('a call that nobody gave a deadline has one of its own', async (t) => {
  const { server } = await rpcServerForTests(t, {
    getIntegration: async (_, { signal }) => {
      await sleep(60_000, undefined, { signal }).catch(() => {});
      return {};
    },
  });
  // Of its ten seconds all but a moment are over already.
  const clock = { ...systemClock, now: () => Date.now() - 9700 };
  using client = createClient(IntegrationService, server.grpcAddress, clock);
  const error = await rpcErrorOf(client.getIntegration({ id: ID }));
  assert.equal(error.code, Code.DEADLINE_EXCEEDED);
});

test('cancelling ends a stream on both sides', async (t) => {
  let ended = false;
  const { client, logged } = await rpcServerForTests(t, {
    watchIntegrations: async function* (_, { signal }) {
      try {
        for (;;) {
          yield { deleted: true };
          await sleep(5, undefined, { signal });
        }
      } finally {
        ended = true;
      }
    },
  });
  const cancel = new AbortController();
  let received = 0;
  const error = await rpcErrorOf(
    (async () => {
      for await (const { deleted } of client.watchIntegrations({}, { signal: cancel.signal })) {
        assert.equal(deleted, true);
        received += 1;
        if (received === 3) cancel.abort();
      }
    })(),
  );
  assert.equal(error.code, Code.CANCELLED);
  await waitUntil('the handler is told', () => ended);
  assert.deepEqual(logged, []);
});

test('leaving the loop over a stream ends it', async (t) => {
  let ended = false;
  const { client } = await rpcServerForTests(t, {
    watchIntegrations: async function* (_, { signal }) {
      yield {};
      await sleep(60_000, undefined, { signal }).finally(() => {
        ended = true;
      });
    },
  });
  for await (const _ of client.watchIntegrations({})) break;
  await waitUntil('the handler is told', () => ended);
});

test('a handler that looks at no signal ends with its caller all the same', async (t) => {
  let ended = false;
  const { client } = await rpcServerForTests(t, {
    watchIntegrations: async function* () {
      try {
        for (;;) {
          yield {};
          await sleep(1);
        }
      } finally {
        ended = true;
      }
    },
  });
  for await (const _ of client.watchIntegrations({})) break;
  await waitUntil('the handler is ended', () => ended);
});

test('a stream nobody reads stops its handler until somebody does', async (t) => {
  let sent = 0;
  const { client } = await rpcServerForTests(t, {
    watchIntegrations: async function* () {
      const integration = { ...INTEGRATION, description: 'x'.repeat(4096) };
      for (sent = 1; sent <= 2000; sent += 1) yield { integration };
    },
  });
  let received = 0;
  for await (const _ of client.watchIntegrations({})) {
    if (received === 0) {
      await sleep(300);
      assert.ok(sent < 2000, `${sent} were sent while one was read`);
    }
    received += 1;
  }
  assert.equal(received, 2000);
});

test('a stream nobody reads for long is cut, and says so to who reads on', async (t) => {
  let ended = false;
  const watchIntegrations = async function* () {
    try {
      for (;;) yield { integration: { ...INTEGRATION, description: 'x'.repeat(4096) } };
    } finally {
      ended = true;
    }
  };
  const { client } = await rpcServerForTests(t, { watchIntegrations }, { stallTimeout: 300 });
  const stream = client.watchIntegrations({})[Symbol.asyncIterator]();
  await stream.next();
  await waitUntil('the handler is ended', () => ended);
  const rest = async () => {
    while (!(await stream.next()).done);
  };
  const error = await rpcErrorOf(rest());
  assert.equal(error.code, Code.RESOURCE_EXHAUSTED);
  assert.equal(detailOf(error, ErrorInfoSchema)?.reason, 'SLOW_READER');
});

test('a stream that fails tells what it sent before', async (t) => {
  const { client } = await rpcServerForTests(t, {
    watchIntegrations: async function* () {
      yield {};
      throw new RpcError(Code.ABORTED, 'enough');
    },
  });
  const stream = client.watchIntegrations({})[Symbol.asyncIterator]();
  assert.equal((await stream.next()).done, false);
  const error = await rpcErrorOf(stream.next());
  assert.deepEqual([error.code, error.message], [Code.ABORTED, 'enough']);
});

test('bytes that are no message, and messages that are too large, are refused; the server goes on', async (t) => {
  const { server, client } = await rpcServerForTests(t);
  const malformed = await callWithBytes(server.grpcAddress, CREATE, Buffer.from([0x0a, 0xff, 0xff, 0x01]));
  assert.equal(malformed, Code.INVALID_ARGUMENT);
  const watch = '/penstock.v1.IntegrationService/WatchIntegrations';
  assert.equal(
    await callWithBytes(server.grpcAddress, watch, Buffer.from([0x0a, 0xff])),
    Code.INVALID_ARGUMENT,
  );
  const tooLarge = await callWithBytes(server.grpcAddress, CREATE, Buffer.alloc((4 << 20) + 1));
  assert.equal(tooLarge, Code.RESOURCE_EXHAUSTED);
  assert.equal(await callWithBytes(server.grpcAddress, '/x.Y/Z', Buffer.alloc(0)), Code.UNIMPLEMENTED);
  await client.createIntegration({ integration: INTEGRATION });
});

test('a port that is taken is named with the setting that chooses another', async (t) => {
  const { server } = await rpcServerForTests(t);
  const portOf = (address: string) => Number(address.split(':').at(-1));
  const [grpcPort, httpPort] = [portOf(server.grpcAddress), portOf(server.httpAddress)];
  await assert.rejects(rpcServerForTests(t, {}, { grpcPort }), {
    message: `port ${grpcPort} is in use: free it, or choose another with PENSTOCK_GRPC_PORT (--grpc-port)`,
  });
  await assert.rejects(rpcServerForTests(t, {}, { httpPort }), {
    message: `port ${httpPort} is in use: free it, or choose another with PENSTOCK_HTTP_PORT (--http-port)`,
  });
  await assert.rejects(rpcServerForTests(t, {}, { host: '203.0.113.1' }), {
    message: /^cannot listen on 203\.0\.113\.1:0 .*PENSTOCK_BIND_ADDRESS.*$/,
  });
});

test('a start that fails leaves no port taken', async (t) => {
  const first = await rpcServerForTests(t);
  const httpPort = Number(first.server.httpAddress.split(':').at(-1));
  const grpcPort = await freePort(t);
  await assert.rejects(rpcServerForTests(t, {}, { grpcPort, httpPort }));
  const { server } = await rpcServerForTests(t, {}, { grpcPort });
  assert.equal(server.grpcAddress, `${HOST}:${grpcPort}`);
});

async function freePort(t: Parameters<typeof rpcServerForTests>[0]): Promise<number> {
  const { server } = await rpcServerForTests(t);
  await server[Symbol.asyncDispose]();
  return Number(server.grpcAddress.split(':').at(-1));
}

test('stopping lets a unary call finish and ends a stream', async (t) => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { client, server } = await rpcServerForTests(t, {
    getIntegration: async () => {
      ask();
      await sleep(300);
      return { integration: INTEGRATION };
    },
    watchIntegrations: async function* (_, { signal }) {
      yield {};
      await sleep(60_000, undefined, { signal });
    },
  });
  const stream = client.watchIntegrations({})[Symbol.asyncIterator]();
  await stream.next();
  const call = client.getIntegration({ id: ID });
  await asked;
  const stopped = server[Symbol.asyncDispose]();
  const error = await rpcErrorOf(stream.next());
  assert.deepEqual([error.code, error.message], [Code.UNAVAILABLE, 'the server is stopping: call again']);
  assert.equal((await call).integration?.name, INTEGRATION.name);
  await stopped;
  assert.equal((await rpcErrorOf(client.getIntegration({ id: ID }))).code, Code.UNAVAILABLE);
});

test('nothing that comes over the gRPC port ends the process', async (t) => {
  const { server, client } = await rpcServerForTests(t);
  const { hostname, port } = new URL(`http://${server.grpcAddress}`);
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const frame = (type: number, flags: number, stream: number, body: Buffer) =>
    Buffer.concat([Buffer.from([0, 0, body.length, type, flags, 0, 0, 0, stream]), body]);
  const settings = frame(4, 0, 0, Buffer.alloc(0));
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n'),
    Buffer.from('16030102000100', 'hex'),
    preface,
    preface.subarray(0, 10),
    Buffer.concat([preface, Buffer.alloc(100, 0xff)]),
    // Headers that cannot be read, without any, on stream 0; what belongs to no stream; a reset of nothing.
    Buffer.concat([preface, settings, frame(1, 5, 1, Buffer.alloc(20, 0xff))]),
    Buffer.concat([preface, settings, frame(1, 5, 1, Buffer.alloc(0))]),
    Buffer.concat([preface, settings, frame(1, 5, 0, Buffer.alloc(0))]),
    Buffer.concat([preface, settings, frame(0, 1, 9, Buffer.alloc(5))]),
    Buffer.concat([preface, settings, frame(3, 0, 1, Buffer.alloc(4))]),
    Buffer.concat([preface, settings, frame(8, 0, 0, Buffer.alloc(4))]),
  ]) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {}).resume();
    socket.end(bytes);
    await once(socket, 'close');
  }
  await client.createIntegration({ integration: INTEGRATION });
});
