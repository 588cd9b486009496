import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { Caller } from './caller.ts';

/** What a handler may ask of its call. */
export interface CallContext {
  readonly caller: Caller;
  /** Whether the caller is still let in, with the same role and scope. Rejects when that cannot be known now. */
  isLetIn(): Promise<boolean>;
  /** Aborts when the caller goes away, the deadline passes or the call is over. */
  readonly signal: AbortSignal;
  readonly requestHeader: Headers;
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;
  /** Milliseconds left to the caller's deadline, if it set one. */
  readonly timeoutMs: () => number | undefined;
}

/** The typed handler of one method. */
export type MethodHandler<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>> | MessageInitShape<O>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
      : M extends DescMethodClientStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, context: CallContext) => Promise<MessageInitShape<O>>
        : M extends DescMethodBiDiStreaming<infer I, infer O>
          ? (
              requests: AsyncIterable<MessageShape<I>>,
              context: CallContext,
            ) => AsyncIterable<MessageInitShape<O>>
          : never;

/** Every method of the service, typed; a missing or mistyped method is a compile error. */
export type Handlers<S extends DescService> = { [K in keyof S['method']]: MethodHandler<S['method'][K]> };

/** A service with its handlers, for any server. */
export interface RpcService {
  readonly service: DescService;
  readonly handlers: AnyHandlers;
}

/** A handler whose method is known only at run time. */
export type AnyHandler = (request: never, context: CallContext) => unknown;
export type AnyHandlers = Readonly<Record<string, AnyHandler>>;

/** What a context says of its caller. */
type OfCaller = Pick<CallContext, 'caller' | 'isLetIn'>;

/** A context with something else in it; spreading would lose what the context computes on demand. */
export function contextWith(
  context: Omit<CallContext, keyof OfCaller> & Partial<OfCaller>,
  changed: { readonly signal?: AbortSignal } & Partial<OfCaller>,
): CallContext {
  return {
    caller: (changed.caller ?? context.caller)!,
    isLetIn: (changed.isLetIn ?? context.isLetIn)!,
    get signal() {
      return changed.signal ?? context.signal;
    },
    get requestHeader() {
      return context.requestHeader;
    },
    get responseHeader() {
      return context.responseHeader;
    },
    get responseTrailer() {
      return context.responseTrailer;
    },
    timeoutMs: () => context.timeoutMs(),
  };
}

/** Ties handlers to their service, checked by the compiler. */
export function rpcService<S extends DescService>(service: S, handlers: Handlers<S>): RpcService {
  return { service, handlers: handlers as unknown as AnyHandlers };
}

/** The same service with each handler replaced by what `wrap` makes of it. */
export function wrapHandlers(
  { service, handlers }: RpcService,
  wrap: (method: DescMethod, handler: AnyHandler) => AnyHandler,
): RpcService {
  const wrapped = service.methods.map((method) => {
    const handler = handlers[method.localName];
    if (handler === undefined) throw new Error(`${service.typeName}/${method.name} has no handler: add one`);
    return [method.localName, wrap(method, handler)] as const;
  });
  return { service, handlers: Object.fromEntries(wrapped) };
}
