import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type DescMethod, fromBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { CallerKind, Role, RoleSchema } from '../../gen/penstock/v1/access_pb.ts';
import type { Caller } from '../../src/rpc/caller.ts';
import { detailOf, RpcError } from '../../src/rpc/error.ts';
import { pathOf, STATUS_DETAILS } from '../../src/rpc/grpcjs.ts';
import { POLICY } from '../../src/rpc/policy.ts';
import { pathText, routesOf } from '../../src/rpc/rest/rest-route.ts';
import type { RpcService } from '../../src/rpc/service.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';
import { servicesOfContract } from '../helpers/services.ts';

const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';
const ROLES = RoleSchema.values.map(({ number }) => number as Role);
const textOf = (role: Role) => RoleSchema.value[role]!.localName;
const nameOf = ({ name, parent }: DescMethod) => `${parent.typeName}/${name}`;

/** A real server of every service, whose handlers note that they were reached; a token is the number of a role. */
async function serverForTests(t: TestContext) {
  const reached = new Set<string>();
  const services = (await servicesOfContract()).map(
    (service): RpcService => ({
      service,
      handlers: Object.fromEntries(
        service.methods.map((method) => [
          method.localName,
          method.methodKind === 'unary'
            ? () => reached.add(nameOf(method)) && {}
            : async function* () {
                reached.add(nameOf(method));
                yield {};
              },
        ]),
      ),
    }),
  );
  const authenticate = ({ authorization }: { authorization: string | undefined }) => {
    const role = Number(authorization?.split(' ')[1]) as Role;
    const caller: Caller = { name: 'x', kind: CallerKind.TOKEN, role, address: '' };
    return Promise.resolve(caller);
  };
  return { ...(await rpcServerForTests(t, {}, { services, authenticate })), services, reached };
}

/** What becomes of any call with an empty request: on the wire a unary one is a stream of one message. */
function callOverGrpc(client: grpc.Client, method: DescMethod, role: Role) {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${role}`);
  const asIs = (bytes: Buffer) => bytes;
  const call = client.makeBidiStreamRequest(pathOf(method), asIs, asIs, metadata, {
    deadline: Date.now() + 10_000,
  });
  return new Promise<{ code: number; reason: string | undefined }>((resolve) => {
    call.on('error', () => {});
    call.on('data', () => {
      resolve({ code: Code.OK, reason: undefined });
      call.cancel();
    });
    call.on('status', ({ code, metadata: trailer }) => {
      const [packed] = trailer.get(STATUS_DETAILS);
      const details = packed instanceof Buffer ? fromBinary(StatusSchema, packed).details : [];
      resolve({ code, reason: detailOf(new RpcError(code, '', details), ErrorInfoSchema)?.reason });
    });
    call.write(Buffer.alloc(0));
    call.end();
  });
}

test('every RPC over gRPC: who has the role is let in, everybody else told so before anything else', async (t) => {
  const { server, reached } = await serverForTests(t);
  const client = new grpc.Client(server.grpcAddress, grpc.credentials.createInsecure());
  t.after(() => client.close());
  let refused = 0;
  for (const [method, rule] of POLICY) {
    for (const role of ROLES) {
      const what = `${nameOf(method)} as ${textOf(role)}`;
      reached.clear();
      const { code, reason } = await callOverGrpc(client, method, role);
      if (role >= (rule.role ?? Role.UNSPECIFIED)) {
        assert.notEqual(code, Code.PERMISSION_DENIED, what);
        // What the schema's rules refuse of an empty request, and nothing else, is in its way.
        assert.ok(
          code === Code.OK || code === Code.INVALID_ARGUMENT || method.parent.name === 'ServerReflection',
          `${what}: ${code}`,
        );
      } else {
        assert.deepEqual([code, reason], [Code.PERMISSION_DENIED, 'ROLE_NEEDED'], what);
        assert.equal(reached.size, 0, what);
        refused++;
      }
    }
  }
  assert.ok(refused > 60);
});

test('every RPC over HTTP, by its paths and by its name, in the same way', async (t) => {
  const { url, services, reached } = await serverForTests(t);
  const calls = services.flatMap(({ service }) => [
    ...routesOf(service).map((route) => ({
      method: route.method,
      httpMethod: route.httpMethod,
      path: pathText(route).replaceAll('{}', ID),
      hasBody: route.body !== 'nothing',
    })),
    ...service.methods
      .filter(({ methodKind }) => methodKind === 'unary')
      .map((method) => ({ method, httpMethod: 'POST', path: pathOf(method), hasBody: true })),
  ]);
  const missing = services
    .flatMap(({ service }) => service.methods)
    .filter((method) => !calls.some((one) => one.method === method));
  assert.deepEqual(missing, []);
  for (const { method, httpMethod, path, hasBody } of calls) {
    const { role: needed = Role.UNSPECIFIED } = POLICY.get(method)!;
    for (const role of ROLES) {
      const what = `${httpMethod} ${path} as ${textOf(role)}`;
      reached.clear();
      const response = await fetch(url + path, {
        method: httpMethod,
        headers: { authorization: `Bearer ${role}`, ...(hasBody && { 'content-type': 'application/json' }) },
        ...(hasBody && { body: '{}' }),
      });
      const text = await response.text();
      if (role >= needed) {
        assert.ok([200, 400].includes(response.status), `${what}: ${response.status} ${text}`);
      } else {
        assert.equal(response.status, 403, `${what}: ${text}`);
        assert.match(text, /"reason":"ROLE_NEEDED"/, what);
        assert.equal(reached.size, 0, what);
      }
    }
  }
});
