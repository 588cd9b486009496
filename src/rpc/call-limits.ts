import { Code } from '../../gen/google/rpc/code_pb.ts';
import type { ApiLimits } from '../runtime/api-settings.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { callerKey } from './caller-key.ts';
import { failed, type RpcError } from './error.ts';
import { type CallContext, type RpcService, wrapHandlers } from './service.ts';

/** The calls being answered, of all protocols: bounded in all and for each caller. */
export class CallLimits {
  readonly #most: number;
  readonly #mostOfOne: number;
  readonly #metrics: Pick<Metrics, 'callsRefused'>;
  readonly #callsOf = new Map<string, number>();
  #calls = 0;

  constructor(limits: ApiLimits, metrics: Pick<Metrics, 'callsRefused'>) {
    this.#most = limits.PENSTOCK_API_MAX_CALLS;
    this.#mostOfOne = limits.PENSTOCK_API_MAX_CALLS_PER_CALLER;
    this.#metrics = metrics;
  }

  /**
   * A place for a call, until it is disposed.
   * @throws RpcError RESOURCE_EXHAUSTED when there is none
   */
  begin(context: Pick<CallContext, 'caller'>): Disposable {
    const caller = callerKey(context.caller);
    const own = this.#callsOf.get(caller) ?? 0;
    if (own >= this.#mostOfOne) throw this.#refused('calls_of_caller', tooManyOfOne(this.#mostOfOne));
    if (this.#calls >= this.#most) throw this.#refused('calls', tooMany(this.#most));
    this.#calls++;
    this.#callsOf.set(caller, own + 1);
    return { [Symbol.dispose]: () => this.#end(caller) };
  }

  #refused(reason: string, error: RpcError): RpcError {
    this.#metrics.callsRefused.inc({ reason });
    return error;
  }

  #end(caller: string): void {
    this.#calls--;
    const left = this.#callsOf.get(caller)! - 1;
    if (left > 0) this.#callsOf.set(caller, left);
    else this.#callsOf.delete(caller);
  }
}

const tooManyOfOne = (most: number) =>
  failed(
    Code.RESOURCE_EXHAUSTED,
    'TOO_MANY_CALLS_OF_CALLER',
    `${most} of your calls are being answered already (PENSTOCK_API_MAX_CALLS_PER_CALLER): wait for one to end, or end a stream`,
  );

const tooMany = (most: number) =>
  failed(
    Code.RESOURCE_EXHAUSTED,
    'TOO_MANY_CALLS',
    `this node is answering ${most} calls already (PENSTOCK_API_MAX_CALLS): call again later, or another node`,
  );

/** The service for no more calls at a time than there may be. A stream is one as long as it is open. */
export function limited(service: RpcService, limits: CallLimits): RpcService {
  return wrapHandlers(service, (method, handler) => {
    if (method.methodKind === 'unary' || method.methodKind === 'client_streaming') {
      return async (input: never, context) => {
        using _place = limits.begin(context);
        return await handler(input, context);
      };
    }
    return async function* (input: never, context) {
      using _place = limits.begin(context);
      yield* handler(input, context) as AsyncIterable<unknown>;
    };
  });
}
