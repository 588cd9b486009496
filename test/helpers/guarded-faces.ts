import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { TestContext } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { type DescMethod, toBinary, toJsonString } from '@bufbuild/protobuf';
import { pathOf } from '../../src/rpc/grpcjs.ts';
import { POLICY } from '../../src/rpc/policy.ts';
import { pathText, routesOf } from '../../src/rpc/rest/rest-route.ts';
import { askGrpc, askHttp, grpcFrame } from './api-faces.ts';
import { filledMessages } from './filled-message.ts';
import { onEnd } from './on-end.ts';

export interface NodeAddresses {
  readonly grpcAddress: string;
  readonly httpAddress: string;
}

/** The methods that are not for everybody, with what each needs. */
const GUARDED = [...POLICY].filter(([, { role }]) => role !== undefined);
const isServedOverHttp = ({ parent }: DescMethod) => parent.typeName.startsWith('penstock.');

/** A request of each kind: an empty one, one with everything in it, and none at all. */
function bodyOf(method: DescMethod, index: number): Uint8Array {
  const [filled] = filledMessages(method.input, false);
  return [() => new Uint8Array(), () => toBinary(method.input, filled!), () => randomBytes(40)][index % 3]!();
}

const textOf = (method: DescMethod, index: number): Uint8Array =>
  Buffer.from(
    ['{}', toJsonString(method.input, filledMessages(method.input, false)[0]!), '{"a":'][index % 3]!,
  );

export interface Asked {
  /** Answers that must be the same are of the same face. */
  readonly face: 'gRPC' | 'HTTP';
  readonly what: string;
  /** Unset: a page. */
  readonly method?: DescMethod;
  readonly isRead?: boolean;
  readonly ask: (headers: Readonly<Record<string, string>>, index: number) => Promise<string>;
}

/**
 * Everything that a node serves to those it lets in, by each way.
 * @param token of an admin
 * @param id of an integration that there is
 */
export async function facesOf(
  t: TestContext,
  node: NodeAddresses,
  { token, id, tls }: { readonly token: string; readonly id: string; readonly tls?: ConnectionOptions },
): Promise<readonly Asked[]> {
  const session = connect(`${tls ? 'https' : 'http'}://${node.grpcAddress}`, {
    ...tls,
    ALPNProtocols: ['h2'],
  });
  session.on('error', () => {}); // its streams say so
  onEnd(t, () => session.destroy());
  await once(session, 'connect');
  const http = (line: string, type?: string, body: (index: number) => Uint8Array = () => Buffer.alloc(0)) => {
    const typed = type === undefined ? {} : { 'content-type': type };
    return (headers: Readonly<Record<string, string>>, index: number) =>
      askHttp(node.httpAddress, { line, headers: { ...typed, ...headers }, body: body(index) }, tls);
  };
  const served: DescMethod[] = [];
  for (const [method] of GUARDED) {
    const asAdmin = { authorization: `Bearer ${token}` };
    const answer = await askGrpc(session, pathOf(method), asAdmin, grpcFrame(Buffer.from('no message')));
    if (!answer.includes('"grpc-status":"12"')) served.push(method);
    else assert.equal(method.parent.name, 'AuditService', `${method} is not served`);
  }
  const overGrpc = served.map((method): Asked => {
    const ask: Asked['ask'] = (headers, index) =>
      askGrpc(session, pathOf(method), headers, grpcFrame(bodyOf(method, index)));
    return { face: 'gRPC', what: pathOf(method), method, ask };
  });
  const methods = served.filter(isServedOverHttp);
  const overConnect = methods.flatMap((method): readonly Asked[] => {
    const line = `POST ${pathOf(method)}`;
    const isUnary = method.methodKind === 'unary';
    const [json, proto] = isUnary
      ? ['application/json', 'application/proto']
      : ['application/connect+json', 'application/connect+proto'];
    // Streams are framed as gRPC frames them.
    const framed = (bytes: Uint8Array) => (isUnary ? bytes : grpcFrame(bytes));
    return [
      {
        face: 'HTTP',
        what: `${line} JSON`,
        method,
        ask: http(line, json, (index) => framed(textOf(method, index))),
      },
      {
        face: 'HTTP',
        what: `${line} proto`,
        method,
        ask: http(line, proto, (index) => framed(bodyOf(method, index))),
      },
    ];
  });
  const services = new Set(methods.map(({ parent }) => parent));
  const routes = [...services].flatMap(routesOf).filter(({ method }) => methods.includes(method));
  const overRest = routes.map((route): Asked => {
    const line = `${route.httpMethod} ${pathText(route).replaceAll('{}', id)}`;
    const isRead = route.httpMethod === 'GET';
    const hasBody = route.body !== 'nothing';
    const body = (index: number) => (hasBody ? textOf(route.method, index) : Buffer.alloc(0));
    return {
      face: 'HTTP',
      what: line,
      method: route.method,
      isRead,
      ask: http(line, hasBody ? 'application/json' : undefined, body),
    };
  });
  const lines = [
    ...['GET /openapi.json', 'GET /metrics', 'GET /metrics?x=/health/', 'GET /unknown'],
    ...['GET /healthy', 'GET /api/v1/unknown', 'GET //metrics', 'GET /login/oidc/unknown'],
  ];
  const writes = [
    ...['POST /unknown', 'OPTIONS /metrics', 'PUT /openapi.json', 'DELETE /api/v1/integrations'],
    ...['POST /penstock.v1.TokenService/Unknown', 'POST /penstock.v1.TokenService/CreateToken?x=1'],
  ];
  const pages = [...lines, ...writes].map(
    (line): Asked => ({ face: 'HTTP', what: line, isRead: lines.includes(line), ask: http(line) }),
  );
  return [...overGrpc, ...overConnect, ...overRest, ...pages];
}
