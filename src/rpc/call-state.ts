import type { EventEmitter } from 'node:events';
import * as grpc from '@grpc/grpc-js';
import type { Clock } from '../runtime/clock.ts';
import { type Caller, stranger } from './caller.ts';
import type { CallContext } from './service.ts';

/** A call of any kind, as grpc-js hands it to a server. */
export type ServerCall = EventEmitter &
  Pick<grpc.ServerUnaryCall<unknown, unknown>, 'metadata' | 'getDeadline' | 'sendMetadata'>;

/** What a handler sees of its call, and what the adapter does with what the handler left there. */
export function callState(call: ServerCall, clock: Clock) {
  // Made on demand, as all below: few handlers look at it.
  let ended: AbortController | undefined;
  let why: string | undefined;
  const end = (reason: string) => {
    why ??= reason;
    ended?.abort(new Error(why));
  };
  call.on('cancelled', () => end('the call was cancelled or its deadline has passed'));
  let requestHeader: Headers | undefined;
  let responseHeader: Headers | undefined;
  let responseTrailer: Headers | undefined;
  let headersSent = false;
  let caller = stranger('');
  let isLetIn = () => Promise.resolve(true);
  const context: CallContext = {
    get caller() {
      return caller;
    },
    isLetIn: () => isLetIn(),
    get signal() {
      ended ??= new AbortController();
      if (why !== undefined) ended.abort(new Error(why));
      return ended.signal;
    },
    get requestHeader() {
      requestHeader ??= toHeaders(call.metadata);
      return requestHeader;
    },
    get responseHeader() {
      responseHeader ??= new Headers();
      return responseHeader;
    },
    get responseTrailer() {
      responseTrailer ??= new Headers();
      return responseTrailer;
    },
    timeoutMs() {
      const deadline = Number(call.getDeadline());
      return Number.isFinite(deadline) ? Math.max(0, deadline - clock.now()) : undefined;
    },
  };
  return {
    context,
    /** @param isStill whether the caller is still let in */
    setCaller(known: Caller, isStill: () => Promise<boolean>) {
      caller = known;
      isLetIn = isStill;
    },
    sendHeaders() {
      if (!headersSent && responseHeader) call.sendMetadata(toMetadata(responseHeader));
      headersSent = true;
    },
    trailers: () => responseTrailer && toMetadata(responseTrailer),
    end: () => end('the call is over'),
  };
}

/** gRPC metadata as HTTP headers; binary values are base64. */
function toHeaders(metadata: grpc.Metadata): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(metadata.toHttp2Headers())) {
    for (const value of [values].flat()) headers.append(name, String(value));
  }
  return headers;
}

function toMetadata(headers: Headers): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of headers) {
    metadata.add(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return metadata;
}
