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
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { RpcError } from './error.ts';

export const STATUS_DETAILS = 'grpc-status-details-bin';

export function serialize(schema: DescMessage): (message: Message) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

export function deserialize(schema: DescMessage): (bytes: Buffer) => Message {
  return (bytes) => fromBinary(schema, bytes);
}

export const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

export interface CallOptions {
  /** Milliseconds the call may take. Unset: 10 s for a unary call, no limit for a stream. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
  /** Who calls: an API token, or one of an OpenID Connect provider. */
  readonly token?: string | undefined;
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

/**
 * A client over grpc-js; `address` is `host:port`. Connects with the first call.
 * @param credentials how it connects; without them without TLS
 */
export function createClient<S extends DescService>(
  service: S,
  address: string,
  clock: Clock = systemClock,
  credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure(),
): RpcClient<S> {
  const client = new grpc.Client(address, credentials, LIMITS);
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

function metadataOf({ token }: CallOptions): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  return metadata;
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
        metadataOf(options),
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
      metadataOf(options),
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
