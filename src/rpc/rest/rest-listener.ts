import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { Code as ConnectCode, ConnectError, type ContextValues } from '@connectrpc/connect';
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { codeFromString, codeToHttpStatus, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { toConnectError } from '../connect.ts';
import { failed, invalidArgument, type RpcError } from '../error.ts';
import { type Refusal, refuse } from '../http-guard.ts';
import { framed, framesIn } from './json-lines.ts';
import { requestJson } from './request-json.ts';
import { type Found, findRoute, type RestRoute, routesOf } from './rest-route.ts';

interface RestOptions {
  readonly services: readonly DescService[];
  /** How Connect answers each method: what comes by a path of its own is answered alike. */
  readonly handlers: readonly UniversalHandler[];
  /** What handlers are told of a request. */
  readonly contextValues: (request: IncomingMessage) => ContextValues;
  /** Why a caller may not call a method: it is told so before anything that it sends is looked at. */
  readonly refusalFor: (request: IncomingMessage, method: DescMethod) => RpcError | undefined;
  /** The largest request, in bytes. */
  readonly maxReceive: number;
  readonly logger: Logger;
}

/** What the paths that are served here begin with. */
export const isRest = (url: string | undefined): boolean => url?.startsWith('/api/') ?? false;

/**
 * Serves the methods under the paths that the schema gives them: JSON in, JSON out, a stream as a line of JSON for each message.
 * Errors are those of Connect.
 */
export function restListener({ services, handlers, logger, ...options }: RestOptions) {
  const routes = services.flatMap(routesOf);
  const byPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  const handlerOf = ({ method }: RestRoute) => byPath.get(`/${method.parent.typeName}/${method.name}`)!;
  return (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, { ...options, routes, handlerOf }, response)
      .then((answered) => answered && universalResponseToNodeResponse(answered, response))
      .catch((error) => {
        if (ConnectError.from(error).code === ConnectCode.Aborted) return; // the caller went away
        logger.error('a REST call could not be answered', { url: request.url, error: messageOf(error) });
        response.destroy();
      });
  };
}

interface Deps extends Pick<RestOptions, 'maxReceive' | 'contextValues' | 'refusalFor'> {
  readonly routes: readonly RestRoute[];
  readonly handlerOf: (route: RestRoute) => UniversalHandler;
}

/** Undefined: it is answered already. */
async function answer(
  request: IncomingMessage,
  { routes, handlerOf, contextValues, refusalFor, maxReceive }: Deps,
  response: ServerResponse,
): Promise<UniversalServerResponse | undefined> {
  const [path = '', query = ''] = request.url!.split(/\?(.*)/s, 2);
  // Before its body is read, it knows of the caller that goes.
  const called = universalRequestFromNodeRequest(request, response, undefined, contextValues(request));
  try {
    const found = foundFor(routes, request.method!, path);
    const refusal = refusalOf(found, request);
    if (refusal !== undefined || found === undefined || 'allow' in found) {
      refuse(response, refusal!);
      return undefined;
    }
    const { route, params } = found;
    const forbidden = refusalFor(request, route.method);
    if (forbidden !== undefined) throw forbidden;
    const body = await bodyOf(request, maxReceive);
    const json = requestJson(route, { params, query, body });
    const isStream = route.method.methodKind === 'server_streaming';
    const answered = await handlerOf(route)(asConnect(called, handlerOf(route), json, isStream));
    return isStream ? asLines(answered) : answered;
  } catch (error) {
    const told = toConnectError(error);
    if (!(told instanceof ConnectError)) throw error;
    return errorAnswer(told, !request.complete);
  }
}

function foundFor(routes: readonly RestRoute[], method: string, path: string): Found {
  try {
    return findRoute(routes, method, path);
  } catch {
    const description = 'the path is no UTF-8 in percent-encoding';
    throw invalidArgument([{ field: '', description, reason: 'MALFORMED_PATH' }]);
  }
}

/** Why a request is not for any route, or none that a web page may not make without being asked for leave. */
function refusalOf(found: Found, { headers, method }: IncomingMessage): Refusal | undefined {
  if (found === undefined) {
    return { status: 404, message: 'there is no such path: /openapi.json lists those there are' };
  }
  if ('allow' in found) {
    const allow = found.allow.join(', ');
    return { status: 405, message: `${method} is not for this path: use ${allow}`, headers: { allow } };
  }
  if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity') {
    return { status: 415, message: 'a request is taken as it is: leave Content-Encoding out' };
  }
  if (!hasBody(headers) && method !== 'POST' && method !== 'PATCH') return undefined;
  // A form of HTML, or a page that does not ask first, can send a body of another type, but none without a type.
  const type = headers['content-type'];
  const isJson = type !== undefined && /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type);
  if (isJson || (type === undefined && !hasBody(headers))) return undefined;
  return { status: 415, message: 'send Content-Type: application/json' };
}

const hasBody = (headers: IncomingMessage['headers']) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** @throws RpcError when it is too large, or no UTF-8 */
async function bodyOf(request: IncomingMessage, maxReceive: number): Promise<string> {
  const chunks: Buffer[] = [];
  const mustFit = (bytes: number) => {
    if (bytes <= maxReceive) return;
    const text = `the request is larger than ${maxReceive} bytes: send less`;
    throw failed(Code.RESOURCE_EXHAUSTED, 'TOO_LARGE', text);
  };
  mustFit(Number(request.headers['content-length'] ?? 0));
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    mustFit(bytes);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw invalidArgument([{ field: '', description: 'the request is no UTF-8', reason: 'MALFORMED_JSON' }]);
  }
}

/** The call as Connect takes it. */
function asConnect(
  called: UniversalServerRequest,
  { requestPath }: UniversalHandler,
  json: string,
  isStream: boolean,
): UniversalServerRequest {
  const header = new Headers(called.header);
  const ofOthers = [
    'content-length',
    'content-encoding',
    'connect-content-encoding',
    'connect-accept-encoding',
  ];
  for (const name of ofOthers) header.delete(name);
  header.set('content-type', isStream ? 'application/connect+json' : 'application/json');
  const url = new URL(requestPath, called.url).toString();
  const bytes = isStream ? framed(json) : Buffer.from(json);
  return { ...called, method: 'POST', url, header, body: ReadableStream.from([bytes]) };
}

/** A stream of Connect as lines of JSON. One that fails before its first message is an error like that of any other call. */
async function asLines(answered: UniversalServerResponse): Promise<UniversalServerResponse> {
  if (answered.body === undefined) return answered;
  const frames = framesIn(answered.body)[Symbol.asyncIterator]();
  const first = await frames.next();
  const error = first.done !== true && first.value.isEnd ? JSON.parse(first.value.json).error : undefined;
  if (error !== undefined) {
    const status = codeToHttpStatus(codeFromString(error.code) ?? ConnectCode.Unknown);
    return { status, header: jsonHeader(), body: ReadableStream.from([Buffer.from(JSON.stringify(error))]) };
  }
  const header = new Headers({ 'content-type': 'application/x-ndjson' });
  return { status: 200, header, body: lines(first, frames) };
}

type Frame = { readonly json: string; readonly isEnd: boolean };

/** One that fails ends with a line that has nothing but `error`. */
async function* lines(first: IteratorResult<Frame>, frames: AsyncIterator<Frame>): AsyncIterable<Uint8Array> {
  try {
    for (let frame = first; frame.done !== true; frame = await frames.next()) {
      const { json, isEnd } = frame.value;
      const error = isEnd ? JSON.parse(json).error : undefined;
      if (!isEnd) yield Buffer.from(`${json}\n`);
      else if (error !== undefined) yield Buffer.from(`${JSON.stringify({ error })}\n`);
    }
  } finally {
    await frames.return?.();
  }
}

const jsonHeader = () => new Headers({ 'content-type': 'application/json' });

/** @param isUnread whether something of the request is still to come, which the next one on this connection would stand behind */
function errorAnswer(error: ConnectError, isUnread: boolean): UniversalServerResponse {
  const header = jsonHeader();
  if (isUnread) header.set('connection', 'close');
  const body = ReadableStream.from([errorToJsonBytes(error, undefined)]);
  return { status: codeToHttpStatus(error.code), header, body };
}
