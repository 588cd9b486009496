import { text } from 'node:stream/consumers';
import { createRegistry } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { Code as ConnectCode, ConnectError, type Interceptor } from '@connectrpc/connect';
import type {
  UniversalHandler,
  UniversalHandlerFn,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { file_google_rpc_error_details } from '../../gen/google/rpc/error_details_pb.ts';
import { RpcError } from './error.ts';

const detailTypes = createRegistry(file_google_rpc_error_details);

/** Turns the `RpcError` of a handler into the `ConnectError` that Connect writes, in responses and in streams. */
export const rpcErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: withConnectErrors(response.message) } : response;
  } catch (error) {
    throw toConnectError(error);
  }
};

async function* withConnectErrors<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw toConnectError(error);
  }
}

/** As Connect writes it; what is none of ours as it is. */
export function toConnectError(error: unknown): unknown {
  if (error instanceof ConnectError && isMalformed(error.code, error.rawMessage)) {
    return new ConnectError(error.rawMessage, ConnectCode.InvalidArgument);
  }
  if (!(error instanceof RpcError)) return error;
  // The codes are the same numbers in both.
  const code = error.code as number as ConnectCode;
  return new ConnectError(error.message, code, undefined, error.details.flatMap(outgoing), error);
}

/** With its schema, so that Connect adds the readable form to its JSON. */
function outgoing(packed: Any) {
  const value = anyUnpack(packed, detailTypes);
  const desc = value && detailTypes.getMessage(value.$typeName);
  return desc ? [{ desc, value }] : [];
}

/** Connect takes a request that is no protobuf message of its type for a failure of the server. */
const isMalformed = (code: ConnectCode, message: string) =>
  code === ConnectCode.Internal && message.startsWith('parse binary: ');

/** The handler of a method, which answers INVALID_ARGUMENT to such a request: interceptors of unary methods do not see it. */
export function tellingMalformed(handler: UniversalHandler): UniversalHandler {
  const answer: UniversalHandlerFn = async (request) => {
    const response = await handler(request);
    if (response.status !== 500 || response.body === undefined) return response;
    const body = await text(response.body);
    if (!body.startsWith('{"code":"internal","message":"parse binary: ')) return withBody(response, body);
    const told = body.replace('"internal"', '"invalid_argument"');
    return withBody({ ...response, status: 400 }, told);
  };
  return Object.assign(answer, handler);
}

function withBody(response: UniversalServerResponse, body: string): UniversalServerResponse {
  const bytes = Buffer.from(body);
  response.header?.set('content-length', String(bytes.length));
  return { ...response, body: ReadableStream.from([bytes]) };
}
