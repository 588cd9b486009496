import type { HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import { type HttpRequest, requestWriter } from '../../../contract/http-request.ts';
import type { Handler, HandlerContext, Outbound, Outcome } from '../handler.ts';
import { Exchange } from './exchange.ts';
import { parallelOf } from './limits.ts';
import { unencodable } from './outcome.ts';

/** Delivers each message as one request. */
export class HttpHandler implements Handler {
  readonly parallel: number;
  readonly #exchange: Exchange;
  readonly #write: (message: Outbound) => HttpRequest;

  constructor(config: HttpConfiguration, context: HandlerContext) {
    this.parallel = parallelOf(config, context);
    this.#exchange = new Exchange(config, context, this.parallel);
    this.#write = requestWriter(config, context);
  }

  /** Connections are made by the first requests: an endpoint that is away is no reason not to start. */
  async connect(): Promise<void> {}

  async deliver(pack: readonly Outbound[], signal: AbortSignal): Promise<readonly Outcome[]> {
    if (pack.length === 1) return [await this.#deliverOne(pack[0]!, signal)];
    return await Promise.all(pack.map((message) => this.#deliverOne(message, signal)));
  }

  #deliverOne(message: Outbound, signal: AbortSignal): Promise<Outcome> {
    let request: HttpRequest;
    try {
      request = this.#write(message);
    } catch (error) {
      return Promise.resolve(unencodable(error));
    }
    return this.#exchange.send(request, signal, false);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#exchange.destroy();
  }
}
