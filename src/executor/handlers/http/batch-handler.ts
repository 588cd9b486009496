import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import type { HttpBatching, HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import { batchRequestWriter, itemWriter } from '../../../contract/http-batch.ts';
import type { HttpRequest } from '../../../contract/http-request.ts';
import { messageOf } from '../../../runtime/logger.ts';
import {
  type Failure,
  type Handler,
  type HandlerContext,
  heldBy,
  type Outbound,
  type Outcome,
} from '../handler.ts';
import { batchesOf, type Item } from './batches.ts';
import { Exchange } from './exchange.ts';
import { parallelOf } from './limits.ts';
import { unencodable } from './outcome.ts';

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
    /** By the keys of messages that were not delivered: what is behind them waits for its next pack. */
    const failures = new Map<string, Failure>();
    // One after another: a pack counts as one request of those that are on their way at a time.
    for (const whole of batchesOf(items, this.#batching)) {
      const batch = whole.filter(({ message: { key }, index }) => {
        const failure = key === null ? undefined : failures.get(key);
        if (failure) outcomes[index] = heldBy(failure);
        return failure === undefined;
      });
      if (batch.length === 0) continue;
      const sent = this.#exchange.send(this.#writeRequest(batch), signal, batch.length > 1);
      const outcome = await sent.catch((error) => {
        if (outcomes.length === 0 || !signal.aborted) throw error;
        return unanswered(error);
      });
      for (const { message, index } of batch) {
        outcomes[index] = outcome;
        if (!outcome.delivered && message.key !== null) failures.set(message.key, outcome);
      }
    }
    return outcomes;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#exchange.destroy();
  }
}

/** The deadline has passed: what other requests of the pack were answered stays so. */
const unanswered = (error: unknown): Failure => ({
  delivered: false,
  failureClass: FailureClass.TIMEOUT,
  reason: messageOf(error),
});
