import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import type { Outgoing } from '../../../kafkajs/outgoing.ts';
import { messageOf } from '../../../runtime/logger.ts';
import { DELIVERED, type Outcome } from '../handler.ts';
import { failureOf, isAboutRecords } from './outcome.ts';
import type { KafkaRecord } from './record.ts';

/** The records of one call, and their outcomes. */
export class Pack {
  readonly outcomes: Promise<readonly Outcome[]>;
  /** When it was handed over, in milliseconds of the monotonic clock. */
  readonly since: number;
  /** Why it is over before each has its outcome. */
  aborted: { readonly reason: unknown } | undefined;
  /**
   * Partitions of which a record failed: what follows it there must not arrive before it when it is tried again, and fails
   * with it.
   */
  readonly failed = new Map<number, unknown>();
  readonly #outcomes: Outcome[];
  readonly #resolve: (outcomes: readonly Outcome[]) => void;
  readonly #reject: (reason: unknown) => void;
  #left: number;

  constructor(count: number, since: number) {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Outcome[]>();
    promise.catch(() => {}); // it may end before it is waited for
    this.outcomes = promise;
    this.#outcomes = new Array<Outcome>(count);
    this.#left = count;
    this.since = since;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  settle(place: number, outcome: Outcome): void {
    if (this.aborted) return;
    this.#outcomes[place] = outcome;
    this.#left--;
    if (this.#left === 0) this.#resolve(this.#outcomes);
  }

  /**
   * What of it is not on its way does not leave any more, and what has no outcome failed: it may arrive nevertheless. Without
   * any outcome it rejects.
   */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = { reason };
    if (this.#left === this.#outcomes.length) this.#reject(reason); // what is resolved then is nobody's
    const failure = {
      delivered: false,
      failureClass: FailureClass.TIMEOUT,
      reason: messageOf(reason),
    } as const;
    this.#resolve(Array.from(this.#outcomes, (outcome) => outcome ?? failure));
  }
}

/** A record on its way, of one pack. One for every message: what is the same for all of them is not made anew for each. */
export class Sending implements Outgoing {
  readonly topic: string;
  readonly record: KafkaRecord;
  readonly pack: Pack;
  /** Set when its topic's partitions are known. */
  partition = -1;
  readonly #place: number;
  readonly #settled: (sending: Sending) => void;

  /** @param place in the pack */
  constructor(
    topic: string,
    record: KafkaRecord,
    pack: Pack,
    place: number,
    settled: (sending: Sending) => void,
  ) {
    this.topic = topic;
    this.record = record;
    this.pack = pack;
    this.#place = place;
    this.#settled = settled;
  }

  get bytes(): number {
    return this.record.bytes;
  }

  settle(error?: unknown): void {
    const { pack, partition } = this;
    if (error !== undefined && !isAboutRecords(error)) pack.failed.set(partition, error);
    pack.settle(this.#place, error === undefined ? DELIVERED : failureOf(error, this.topic));
    this.#settled(this);
  }
}
