import type { HttpBatching, HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import type { Handler, HandlerContext, Outbound, Outcome } from '../handler.ts';
import { batchesOf, batchRequestWriter, type Item, itemWriter } from './batch-writer.ts';
import { Exchange } from './exchange.ts';
import { parallelOf } from './limits.ts';
import { unencodable } from './outcome.ts';
import type { HttpRequest } from './sender.ts';

/** Delivers packs of messages, each as one request, or more when it would be too long. */
export class BatchHandler implements Handler {
  readonly parallel: number;
  readonly #exchange: Exchange;
  readonly #batching: HttpBatching;
  readonly #writeItem: (message: Outbound) => string;
  readonly #writeRequest: (batch: readonly Item[]) => HttpRequest;

  constructor(config: HttpConfiguration, batching: HttpBatching, context: HandlerContext) {
    this.parallel = parallelOf(config, context);
    this.#exchange = new Exchange(config, context, this.parallel);
    this.#batching = batching;
    this.#writeItem = itemWriter(config, context);
    this.#writeRequest = batchRequestWriter(config, context);
  }

  async connect(): Promise<void> {}

  async deliver(pack: readonly Outbound[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    const items = pack.flatMap((message, index): Item[] => {
      try {
        return [{ message, index, json: this.#writeItem(message) }];
      } catch (error) {
        outcomes[index] = unencodable(error);
        return [];
      }
    });
    // One after another: a pack counts as one request of those that are on their way at a time.
    for (const batch of batchesOf(items, this.#batching)) {
      const outcome = await this.#exchange.send(this.#writeRequest(batch), signal, batch.length > 1);
      for (const { index } of batch) outcomes[index] = outcome;
    }
    return outcomes;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#exchange.destroy();
  }
}
