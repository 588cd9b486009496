import type { Message } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import { failed, RpcError } from './error.ts';
import { type CallContext, contextWith, type RpcService, wrapHandlers } from './service.ts';

interface GuardDeps {
  readonly logger: Logger;
  /** Aborts when the server stops: streams end then, unary calls may finish. */
  readonly stopping: AbortSignal;
}

/** The service with handlers that throw nothing but `RpcError`; what else they throw is logged and not told. */
export function guarded(service: RpcService, { logger, stopping }: GuardDeps): RpcService {
  return wrapHandlers(service, (method, handler) => {
    const name = `${service.service.typeName}/${method.name}`;
    if (method.methodKind === 'unary' || method.methodKind === 'client_streaming') {
      return async (input: never, context) => {
        try {
          return await handler(input, context);
        } catch (error) {
          throw toRpcError(error, context, name, logger);
        }
      };
    }
    return async function* (input: never, context) {
      const signal = AbortSignal.any([context.signal, stopping]);
      try {
        yield* handler(input, contextWith(context, { signal })) as AsyncIterable<Message>;
      } catch (error) {
        if (!stopping.aborted) throw toRpcError(error, context, name, logger);
      }
      if (stopping.aborted) throw failed(Code.UNAVAILABLE, 'STOPPING', 'the server is stopping: call again');
    };
  });
}

function toRpcError(error: unknown, context: CallContext, method: string, logger: Logger): RpcError {
  if (error instanceof RpcError) return error;
  if (context.signal.aborted) {
    logger.debug('call ended by its caller', { method, error: messageOf(error) });
    const late = (context.timeoutMs() ?? 1) <= 0;
    return late
      ? new RpcError(Code.DEADLINE_EXCEEDED, 'the deadline of the call has passed', [], { cause: error })
      : new RpcError(Code.CANCELLED, 'the call was cancelled', [], { cause: error });
  }
  const stack = error instanceof Error ? error.stack : undefined;
  logger.error('call failed', { method, error: messageOf(error), stack });
  return new RpcError(Code.INTERNAL, 'internal error', [], { cause: error });
}
