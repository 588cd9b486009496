import type { Bus, IncomingRecord, OutgoingRecord } from '../bus/bus.ts';
import type { Clock } from '../runtime/clock.ts';

const DEFAULT_RATE = 1000;
/** Together they fit into one batch of the producer, which Kafka takes whole or not at all. */
const CHUNK = { records: 1000, bytes: 500_000 };
const CHUNKS_A_SECOND = 10;

/** `max_rate` of a request. */
export const rateOf = (maxRate: number): number => maxRate || DEFAULT_RATE;

/** Records as they are sent together: few enough to keep to the rate, small enough to repeat. */
export function* chunksOf<R extends { readonly record: IncomingRecord }>(
  all: readonly R[],
  rate: number,
): Generator<R[]> {
  const most = Math.max(1, Math.min(CHUNK.records, Math.floor(rate / CHUNKS_A_SECOND)));
  let chunk: R[] = [];
  let bytes = 0;
  for (const one of all) {
    const size = one.record.value?.byteLength ?? 0;
    if (chunk.length > 0 && (chunk.length === most || bytes + size > CHUNK.bytes)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(one);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}

/** Keeps to a rate: at most so many a second. */
export class Pace {
  readonly #rate: number;
  readonly #clock: Clock;
  #next = 0;

  constructor(rate: number, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Waits until `count` may go. Rejects with the signal's reason when it aborts. */
  async wait(count: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const pause = this.#next - this.#clock.monotonic();
    if (pause > 0) await this.#clock.sleep(pause, signal);
    this.#next = this.#clock.monotonic() + (count * 1000) / this.#rate;
  }
}

/** Sends records in order. Answers how many Kafka has of them, without a gap, and why it has not the others. */
export async function sendInOrder(
  bus: Pick<Bus, 'send'>,
  topic: string,
  records: readonly OutgoingRecord[],
): Promise<{ readonly sent: number; readonly failure?: unknown }> {
  const results = await Promise.allSettled(records.map((record) => bus.send(topic, record)));
  const failed = results.findIndex(({ status }) => status === 'rejected');
  const result = results[failed];
  return result?.status === 'rejected' ? { sent: failed, failure: result.reason } : { sent: results.length };
}
