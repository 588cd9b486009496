import { once } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import { create, type DescMethod, type Message } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import type { Clock } from '../runtime/clock.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import { callerOf, isStill } from './authorized.ts';
import { callState } from './call-state.ts';
import type { Authenticate } from './caller.ts';
import { failed, RpcError, toStatus } from './error.ts';
import { presentedBy } from './grpc-presented.ts';
import { deserialize, pathOf, STATUS_DETAILS, serialize } from './grpcjs.ts';
import { ruleOf } from './policy.ts';
import type { AnyHandler, RpcService } from './service.ts';
import { sharedBytes } from './shared-answer.ts';
import type { UnfinishedRequests } from './unfinished-requests.ts';
import type { UnreadAnswers } from './unread-answers.ts';

/** What came and is no message. Thrown where grpc-js reads it, it would be told as a failure of this server. */
class Malformed {
  readonly error: RpcError;
  constructor(cause: unknown) {
    const text = `the request is no message of its type: ${messageOf(cause)}`;
    this.error = failed(Code.INVALID_ARGUMENT, 'MALFORMED', text, { cause });
  }
}

type Incoming = Message | Malformed;
type Call = grpc.ServerUnaryCall<Incoming, Buffer> | grpc.ServerReadableStream<Incoming, Buffer>;
type StreamCall = grpc.ServerWritableStream<Incoming, Buffer> | grpc.ServerDuplexStream<Incoming, Buffer>;
type Callback = grpc.sendUnaryData<Buffer>;

interface AdapterDeps {
  readonly logger: Logger;
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  readonly unread: UnreadAnswers;
  readonly requests: UnfinishedRequests;
}

/** Serves a service on a grpc-js server: unary calls and all kinds of streams. */
export function addService(server: grpc.Server, { service, handlers }: RpcService, deps: AdapterDeps): void {
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName] as AnyHandler;
    implementation[method.localName] =
      method.methodKind === 'unary' || method.methodKind === 'client_streaming'
        ? (call: Call, callback: Callback) => void answerOnce(handler, method, call, callback, deps)
        : (call: StreamCall) => void answerStream(handler, method, call, deps);
  }
  const definition = service.methods.map((method) => [method.localName, methodDefinition(method)] as const);
  server.addService(Object.fromEntries(definition), implementation);
}

const same = (bytes: Buffer) => bytes;

function methodDefinition(method: DescMethod): grpc.MethodDefinition<Incoming, Buffer> {
  const read = deserialize(method.input);
  return {
    path: pathOf(method),
    originalName: method.localName,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: () => Buffer.alloc(0), // clients alone
    requestDeserialize: (bytes) => {
      try {
        return read(bytes);
      } catch (error) {
        return new Malformed(error);
      }
    },
    // What is sent is bytes already, so that it is known how many.
    responseSerialize: same,
    responseDeserialize: same,
  };
}

async function answerOnce(
  handler: AnyHandler,
  method: DescMethod,
  call: Call,
  callback: Callback,
  deps: AdapterDeps,
): Promise<void> {
  const { clock, unread } = deps;
  const state = callState(call, clock);
  try {
    // Before what it asks is looked at.
    await identify(state, method, call, deps);
    const response = await handler(inputOf(call), state.context);
    const bytes = serialize(method.output)(create(method.output, response as Message));
    state.sendHeaders();
    unread.sent(streamOf(call), bytes.length);
    callback(null, bytes, state.trailers());
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
  const { clock, unread } = deps;
  const state = callState(call, clock);
  const { signal } = state.context;
  const stream = streamOf(call);
  const write = serialize(method.output);
  let isStalled = false;
  const stalled = () => {
    isStalled = true;
    state.end();
  };
  try {
    await identify(state, method, call, deps);
    if (method.methodKind === 'bidi_streaming') deps.requests.letTalk(stream);
    for await (const response of handler(inputOf(call), state.context) as AsyncIterable<Message>) {
      if (isStalled) break;
      const bytes = sharedBytes(response) ?? write(create(method.output, response));
      state.sendHeaders();
      unread.sent(stream, bytes.length, stalled);
      const goesOn = call.write(bytes, () => unread.took(stream, bytes.length));
      if (!goesOn) await once(call, 'drain', { signal });
    }
    if (isStalled) throw slowReader();
    state.sendHeaders();
    call.end(state.trailers());
  } catch (error) {
    const status = statusOf(isStalled ? slowReader() : error, state.trailers());
    if (!call.cancelled) call.emit('error', status);
  } finally {
    state.end();
    deps.requests.answered(stream);
  }
}

/** @throws RpcError when it is nobody who is let in; what else goes wrong is logged */
async function identify(
  state: ReturnType<typeof callState>,
  method: DescMethod,
  call: Call | StreamCall,
  { authenticate, logger }: AdapterDeps,
): Promise<void> {
  const presented = presentedBy(call, streamOf(call));
  try {
    const caller = await callerOf(method, presented, authenticate);
    const isOpen = ruleOf(method).role === undefined;
    state.setCaller(caller, async () => isOpen || isStill(caller, presented, authenticate));
  } catch (error) {
    if (!(error instanceof RpcError)) {
      logger.error('a caller could not be authenticated', { error: messageOf(error) });
    }
    throw error;
  }
}

function slowReader(): RpcError {
  const text = 'nothing was read of what was sent for long: read faster, then call again';
  return failed(Code.RESOURCE_EXHAUSTED, 'SLOW_READER', text);
}

function inputOf(call: Call | StreamCall): never {
  if (!('request' in call)) return messagesOf(call) as never;
  if (call.request instanceof Malformed) throw call.request.error;
  return call.request as never;
}

async function* messagesOf(call: Readable): AsyncIterable<Message> {
  // A call that is destroyed when it is read no further takes no status any more: its caller would wait for ever.
  const messages: AsyncIterable<Incoming> = call.iterator({ destroyOnReturn: false });
  for await (const message of messages) {
    if (message instanceof Malformed) throw message.error;
    yield message;
  }
}

/** The stream of HTTP/2 below a call, which grpc-js keeps to itself. */
const streamOf = (call: Call | StreamCall): ServerHttp2Stream =>
  (call as unknown as { call: { stream: ServerHttp2Stream } }).call.stream;

function statusOf(error: unknown, metadata = new grpc.Metadata()): Partial<grpc.ServiceError> {
  const status = toStatus(error);
  if (status.details.length > 0) metadata.set(STATUS_DETAILS, serialize(StatusSchema)(status));
  return { code: status.code, details: status.message, metadata };
}
