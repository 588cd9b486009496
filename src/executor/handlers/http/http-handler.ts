import { durationMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { type HttpConfiguration, HttpMethod } from '../../../../gen/penstock/v1/http_pb.ts';
import { type Body, bodyWriter, UnencodableError } from '../../../contract/body.ts';
import { timeoutSignal } from '../../../runtime/deadline.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { Handler, HandlerContext, Outbound, Outcome } from '../handler.ts';
import { connectionFailure, outcomeOf } from './outcome.ts';
import { type HttpRequest, HttpSender } from './sender.ts';

const METHODS: ReadonlyMap<HttpMethod, HttpRequest['method']> = new Map([
  [HttpMethod.PUT, 'PUT'],
  [HttpMethod.PATCH, 'PATCH'],
  [HttpMethod.GET, 'GET'],
  [HttpMethod.DELETE, 'DELETE'],
]);

/** Delivers each message as one request. */
export class HttpHandler implements Handler {
  readonly parallel: number;
  readonly #sender: HttpSender;
  readonly #method: HttpRequest['method'];
  readonly #writeBody: (message: Outbound['envelope']) => Body;
  readonly #readTimeout: number;
  readonly #context: HandlerContext;

  constructor(config: HttpConfiguration, context: HandlerContext) {
    this.parallel = config.maxParallelRequestsCount || context.maxInFlight;
    this.#sender = new HttpSender(config, context.guard);
    this.#method = METHODS.get(config.requestMethod) ?? 'POST';
    this.#readTimeout = config.readTimeout ? durationMs(config.readTimeout) : 0;
    this.#context = context;
    this.#writeBody = bodyWriter({
      payloadContentType: config.payloadContentType,
      sendBinaryOnParseFailure: config.sendBinaryOnParseFailure ?? true,
      sendOnlyMsgPayload: config.sendOnlyMsgPayload,
      integrationName: context.integrationName,
      metadata: context.metadata,
      serviceId: context.serviceId,
    });
  }

  /** The pool connects with the first request: an endpoint that is away is no reason not to start. */
  async connect(): Promise<void> {}

  async deliver(pack: readonly Outbound[], signal: AbortSignal): Promise<readonly Outcome[]> {
    if (pack.length === 1) return [await this.#deliverOne(pack[0]!.envelope, signal)];
    return await Promise.all(pack.map(({ envelope }) => this.#deliverOne(envelope, signal)));
  }

  #deliverOne(envelope: Outbound['envelope'], signal: AbortSignal): Promise<Outcome> {
    let request: HttpRequest;
    try {
      request = this.#request(envelope);
    } catch (error) {
      if (!(error instanceof UnencodableError)) throw error;
      return Promise.resolve({
        delivered: false,
        failureClass: FailureClass.UNENCODABLE,
        reason: messageOf(error),
      });
    }
    return this.#readTimeout > 0 ? this.#sendWithin(request, signal) : this.#send(request, signal);
  }

  #request(envelope: Outbound['envelope']): HttpRequest {
    if (this.#method === 'GET' || this.#method === 'DELETE') {
      return { method: this.#method, headers: {}, body: null };
    }
    const { content, contentType } = this.#writeBody(envelope);
    return { method: this.#method, headers: { 'content-type': contentType }, body: content };
  }

  #send(request: HttpRequest, signal: AbortSignal): Promise<Outcome> {
    return this.#sender.send(request, signal).then(
      (answer) => outcomeOf(answer, this.#context.clock.now()),
      (error) => {
        if (signal.aborted) throw error;
        return connectionFailure(error);
      },
    );
  }

  /** With the configuration's own, shorter deadline. */
  async #sendWithin(request: HttpRequest, signal: AbortSignal): Promise<Outcome> {
    using deadline = timeoutSignal(this.#context.clock, this.#readTimeout, 'read_timeout', signal);
    try {
      return await this.#send(request, deadline.signal);
    } catch (error) {
      if (signal.aborted) throw error;
      return { delivered: false, failureClass: FailureClass.TIMEOUT, reason: messageOf(error) };
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#sender.destroy();
  }
}
