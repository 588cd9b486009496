import { createRegistry } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Code as ConnectCode, ConnectError, type Interceptor } from '@connectrpc/connect';
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

function toConnectError(error: unknown): unknown {
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
