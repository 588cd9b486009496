import { once } from 'node:events';
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { timeoutSignal } from '../runtime/deadline.ts';
import { callState } from './call-state.ts';
import { failed, RpcError, toStatus } from './error.ts';
import type { AnyHandler, RpcService } from './service.ts';

const STATUS_DETAILS = 'grpc-status-details-bin';

type Call = grpc.ServerUnaryCall<Message, Message> | grpc.ServerReadableStream<Message, Message>;
type StreamCall = grpc.ServerWritableStream<Message, Message> | grpc.ServerDuplexStream<Message, Message>;
type Callback = grpc.sendUnaryData<Message>;

function serialize(schema: DescMessage): (message: Message) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserialize(schema: DescMessage): (bytes: Buffer) => Message {
  return (bytes) => fromBinary(schema, bytes);
}

interface AdapterDeps {
  readonly clock: Clock;
  /** A stream is cut when its caller takes nothing of what was sent for so many milliseconds. */
  readonly stallTimeout: number;
}

/** Serves a service on a grpc-js server: unary calls and all kinds of streams. */
export function addService(server: grpc.Server, { service, handlers }: RpcService, deps: AdapterDeps): void {
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName] as AnyHandler;
    implementation[method.localName] =
      method.methodKind === 'unary' || method.methodKind === 'client_streaming'
        ? (call: Call, callback: Callback) => void answerOnce(handler, method, call, callback, deps.clock)
        : (call: StreamCall) => void answerStream(handler, method, call, deps);
  }
  const definition = service.methods.map((method) => [method.localName, methodDefinition(method)] as const);
  server.addService(Object.fromEntries(definition), implementation);
}

const pathOf = (method: DescMethod) => `/${method.parent.typeName}/${method.name}`;

function methodDefinition(method: DescMethod): grpc.MethodDefinition<Message, Message> {
  return {
    path: pathOf(method),
    originalName: method.localName,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: serialize(method.input),
    requestDeserialize: deserialize(method.input),
    responseSerialize: serialize(method.output),
    responseDeserialize: deserialize(method.output),
  };
}

async function answerOnce(
  handler: AnyHandler,
  method: DescMethod,
  call: Call,
  callback: Callback,
  clock: Clock,
): Promise<void> {
  const state = callState(call, clock);
  try {
    const response = await handler(inputOf(call), state.context);
    state.sendHeaders();
    callback(null, create(method.output, response as Message), state.trailers());
  } catch (error) {
    callback(statusOf(error, state.trailers()));
  } finally {
    state.end();
  }
}

async function answerStream(
  handler: AnyHandler,
  method: DescMethod,
  call: StreamCall,
  deps: AdapterDeps,
): Promise<void> {
  const state = callState(call, deps.clock);
  const { signal } = state.context;
  try {
    for await (const response of handler(inputOf(call), state.context) as AsyncIterable<Message>) {
      state.sendHeaders();
      if (!call.write(create(method.output, response))) await drained(call, deps, signal);
    }
    state.sendHeaders();
    call.end(state.trailers());
  } catch (error) {
    if (!call.cancelled) call.emit('error', statusOf(error, state.trailers()));
  } finally {
    state.end();
  }
}

async function drained(
  call: StreamCall,
  { clock, stallTimeout }: AdapterDeps,
  ended: AbortSignal,
): Promise<void> {
  using deadline = timeoutSignal(clock, stallTimeout, 'reading', ended);
  await once(call, 'drain', { signal: deadline.signal }).catch((cause) => {
    if (ended.aborted) throw cause;
    const text = `nothing was read for ${stallTimeout} ms: read faster, then call again`;
    throw failed(Code.RESOURCE_EXHAUSTED, 'SLOW_READER', text, { cause });
  });
}

const inputOf = (call: Call | StreamCall) => ('request' in call ? call.request : call) as never;

function statusOf(error: unknown, metadata = new grpc.Metadata()): Partial<grpc.ServiceError> {
  const status = toStatus(error);
  if (status.details.length > 0) metadata.set(STATUS_DETAILS, serialize(StatusSchema)(status));
  return { code: status.code, details: status.message, metadata };
}

export interface CallOptions {
  /** Milliseconds the call may take. Unset: 10 s for a unary call, no limit for a stream. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

type ClientMethod<M extends DescMethod> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : never;

/** The unary and server-streaming methods of a service; each fails with an `RpcError`. Disposing closes the connection. */
export type RpcClient<S extends DescService> = {
  readonly [K in keyof S['method']]: ClientMethod<S['method'][K]>;
} & Disposable;

const UNARY_DEADLINE = 10_000;
const LIMITS = { 'grpc.max_receive_message_length': 16 << 20, 'grpc.max_send_message_length': 16 << 20 };

/** A client over grpc-js without TLS; `address` is `host:port`. Connects with the first call. */
export function createClient<S extends DescService>(
  service: S,
  address: string,
  clock: Clock = systemClock,
): RpcClient<S> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), LIMITS);
  const methods = service.methods.map((method) => [
    method.localName,
    method.methodKind === 'unary'
      ? unary(client, method, clock)
      : method.methodKind === 'server_streaming'
        ? stream(client, method, clock)
        : undefined,
  ]);
  const disposable: Disposable = { [Symbol.dispose]: () => client.close() };
  return Object.assign(disposable, Object.fromEntries(methods)) as RpcClient<S>;
}

function callOptions(clock: Clock, deadline: number | undefined): grpc.CallOptions {
  return deadline === undefined ? {} : { deadline: clock.now() + deadline };
}

function unary(client: grpc.Client, method: DescMethod, clock: Clock) {
  const [write, read] = [serialize(method.input), deserialize(method.output)];
  return (request: MessageInitShape<DescMethod['input']>, options: CallOptions = {}) =>
    new Promise<Message>((resolve, reject) => {
      options.signal?.throwIfAborted();
      const abort = () => call.cancel();
      const call = client.makeUnaryRequest(
        pathOf(method),
        write,
        read,
        create(method.input, request),
        new grpc.Metadata(),
        callOptions(clock, options.deadline ?? UNARY_DEADLINE),
        (error, response) => {
          options.signal?.removeEventListener('abort', abort);
          if (error) reject(toRpcError(error));
          else resolve(response as Message);
        },
      );
      options.signal?.addEventListener('abort', abort, { once: true });
    });
}

function stream(client: grpc.Client, method: DescMethod, clock: Clock) {
  const [write, read] = [serialize(method.input), deserialize(method.output)];
  return async function* (request: MessageInitShape<DescMethod['input']>, options: CallOptions = {}) {
    options.signal?.throwIfAborted();
    const message = create(method.input, request);
    const call = client.makeServerStreamRequest(
      pathOf(method),
      write,
      read,
      message,
      new grpc.Metadata(),
      callOptions(clock, options.deadline),
    );
    // Cancelling ends with an error of its own, which nobody reads any more.
    call.on('error', () => {});
    const abort = () => call.cancel();
    options.signal?.addEventListener('abort', abort, { once: true });
    try {
      for await (const response of call) yield response as Message;
    } catch (error) {
      throw toRpcError(error as grpc.ServiceError);
    } finally {
      options.signal?.removeEventListener('abort', abort);
      call.cancel();
    }
  };
}

function toRpcError(error: grpc.ServiceError): RpcError {
  const [packed] = error.metadata?.get(STATUS_DETAILS) ?? [];
  const details = packed instanceof Buffer ? fromBinary(StatusSchema, packed).details : [];
  return new RpcError(error.code, error.details, details, { cause: error });
}
