import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { CreateIntegrationRequestSchema } from '../../gen/penstock/v1/integration_service_pb.ts';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';

const METHOD = '/penstock.v1.IntegrationService/CreateIntegration';
const WHOLE = Buffer.from(
  toBinary(
    CreateIntegrationRequestSchema,
    create(CreateIntegrationRequestSchema, { integration: INTEGRATION }),
  ),
);
/** The tags that begin and end a group in a field that no message has. */
const [BEGIN, END] = [Buffer.from([0xa3, 0x3e]), Buffer.from([0xa4, 0x3e])];

const nested = (depth: number) =>
  Buffer.concat([WHOLE, ...Array<Buffer>(depth).fill(BEGIN), ...Array<Buffer>(depth).fill(END)]);

/** The code and the text that a request of these bytes is answered with. */
function send(t: TestContext, address: string, bytes: Buffer): Promise<readonly [number, string]> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  t.after(() => client.close());
  const same = (buffer: Buffer) => buffer;
  return new Promise((resolve) => {
    client.makeUnaryRequest(METHOD, same, same, bytes, (error) =>
      resolve([error?.code ?? Code.OK, error?.details ?? '']),
    );
  });
}

test('protobuf that is nested too deeply is refused over gRPC, and others are answered', async (t) => {
  const { server, client } = await rpcServerForTests(t);
  assert.deepEqual(await send(t, server.grpcAddress, nested(90)), [Code.OK, '']);
  for (const depth of [101, 1_000_000]) {
    const [code, text] = await send(t, server.grpcAddress, nested(depth));
    assert.equal(code, Code.INVALID_ARGUMENT);
    assert.match(text, /^the request is no message of its type: .*recursion depth/);
  }
  await client.createIntegration({ integration: INTEGRATION });
});

test('JSON and protobuf that are nested too deeply, and JSON of too many parts, are refused over HTTP', async (t) => {
  const { url } = await rpcServerForTests(t);
  const send = async (type: string, body: string | Buffer, method = 'POST', path = METHOD) => {
    const headers = { 'content-type': type };
    const response = await fetch(url + path, {
      method,
      headers,
      body: new Uint8Array(Buffer.from(body)),
    });
    const { code, details } = (await response.json()) as {
      code: string;
      details?: readonly {
        readonly debug: { readonly fieldViolations: readonly { readonly reason: string }[] };
      }[];
    };
    return [response.status, code, details?.[0]?.debug.fieldViolations[0]?.reason];
  };
  const deep = `{"integration":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`;
  assert.deepEqual(await send('application/json', deep), [400, 'invalid_argument', 'TOO_DEEP']);
  for (const [method, path] of [
    ['POST', '/api/v1/integrations'],
    ['PATCH', '/api/v1/integrations/5f0a3a50-9e9b-4d6c-8a10-1b6c1f6e7d11'],
  ]) {
    assert.deepEqual(await send('application/json', deep, method, path), [
      400,
      'invalid_argument',
      'TOO_DEEP',
    ]);
  }
  const many = `[${'1,'.repeat(200_000)}1]`;
  assert.deepEqual(await send('application/json', many), [400, 'invalid_argument', 'TOO_MANY']);
  assert.deepEqual(await send('application/json', many, 'POST', '/api/v1/integrations'), [
    400,
    'invalid_argument',
    'TOO_MANY',
  ]);
  const [status, code] = await send('application/proto', nested(1_000_000));
  assert.deepEqual([status, code], [400, 'invalid_argument']);
});
