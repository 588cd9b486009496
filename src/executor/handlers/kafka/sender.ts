import { protocolErrorType } from '../../../kafkajs/protocol-error.ts';
import { backoffPause } from '../../../runtime/backoff.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { DELIVERED, type Outcome } from '../handler.ts';
import type { Link } from './link.ts';
import type { KafkaOptions } from './options.ts';
import { failureOf, isAboutRecords, isWhollyRefused } from './outcome.ts';
import type { Partitions } from './partitions.ts';
import { DisconnectedError } from './reason.ts';
import type { KafkaRecord } from './record.ts';

/** A record on its way. */
export interface Sending {
  readonly record: KafkaRecord;
  settle(outcome: Outcome): void;
}

interface Deps {
  readonly topic: string;
  readonly options: KafkaOptions;
  readonly partitions: Partitions;
  readonly clock: Clock;
  random(): number;
  /** A new link, not yet connected. */
  link(): Link;
  /** The brokers do not take the credentials. */
  refused(): void;
}

/**
 * Sends batches over one link, and over a new one after the first doubt: kafkajs gives the sequence numbers of a batch that
 * failed to the next one, which a broker that did write the first one would take for its repetition, and drop.
 */
export class Sender {
  readonly #deps: Deps;
  #link: Link | undefined;
  #connecting: Promise<Link> | undefined;
  /** Links that failed, without a batch in between that was taken. */
  #failures = 0;
  #closed: Error | undefined;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Connects, unless it is. Rejects with the reason, or with the signal's when that aborts. */
  async connect(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const abort = () => this.discard(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await this.#connected();
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Settles each record of a batch. One batch at a time. */
  async send(batch: readonly Sending[]): Promise<void> {
    try {
      const link = await this.#connected();
      const groups = this.#deps.partitions.byLeader(batch);
      const ends = await Promise.all(groups.map((group) => this.#sendGroup(link, group)));
      if (ends.every((isSound) => isSound)) this.#failures = 0;
      else this.discard(new DisconnectedError('the connection is given up after an error'));
    } catch (error) {
      settle(batch, failureOf(error, this.#deps.topic));
    }
  }

  /** Cuts what is on its way, for good. */
  close(why: Error): void {
    this.#closed = why;
    this.discard(why);
  }

  /** Cuts what is on its way. The next batch goes over a new link. */
  discard(why: Error): void {
    const link = this.#link;
    this.#link = undefined;
    this.#connecting = undefined;
    if (!link) return;
    this.#failures++;
    link.close(why);
  }

  #connected(): Promise<Link> {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  async #connect(): Promise<Link> {
    const { options, clock, random, refused } = this.#deps;
    if (this.#closed) throw this.#closed;
    const link = this.#deps.link();
    this.#link = link;
    try {
      const backoff = { initial: options.reconnectPause, max: options.maxReconnectPause };
      const pause = this.#failures === 0 ? 0 : backoffPause(backoff, this.#failures, random());
      if (pause > 0) await clock.sleep(pause, link.signal);
      await link.connect();
      return link;
    } catch (error) {
      if (isRefusal(error)) refused();
      if (this.#link === link) this.discard(new DisconnectedError('there is no connection'));
      throw error;
    }
  }

  /** Answers whether the link is sound: whether everything that failed surely did not arrive. */
  async #sendGroup(link: Link, group: readonly Sending[]): Promise<boolean> {
    const { partitions, topic } = this.#deps;
    const { placed } = partitions;
    const error = await this.#trySend(link, group);
    if (error === undefined) {
      settle(group, DELIVERED);
      return true;
    }
    const parts = link.signal.aborted ? [group] : partsOf(group, error);
    if (parts.length === 1) {
      settle(group, failureOf(error, topic));
      return placed === partitions.placed || isAboutRecords(error);
    }
    let isSound = true;
    for (const part of parts) isSound = (await this.#sendGroup(link, part)) && isSound;
    return isSound;
  }

  /** Sends records, several times if that is wanted and may help; answers with the error that says most. */
  async #trySend(link: Link, group: readonly Sending[]): Promise<unknown> {
    const { options, clock, random } = this.#deps;
    const backoff = { initial: options.retryPause, max: options.maxRetryPause };
    const records = group.map(({ record }) => record);
    const began = clock.monotonic();
    let first: unknown;
    for (let attempt = 1; ; attempt++) {
      try {
        await link.send(records);
        return undefined;
      } catch (error) {
        first ??= error;
        // Once more is for free where it writes nothing twice, unless it has taken long already.
        const isFree = link.isIdempotent && clock.monotonic() - began < options.requestTimeout;
        const isOver = attempt > Math.max(options.retries, isFree ? 1 : 0) || link.signal.aborted;
        if (isOver || isAboutRecords(error) || isWhollyRefused(error)) {
          return protocolErrorType(error) === undefined ? first : error;
        }
        await clock.sleep(backoffPause(backoff, attempt, random()), link.signal).catch(() => {}); // seen by the next send
      }
    }
  }
}

/**
 * How to send again what failed together, so that only those fail that are at fault: each partition by itself, where the
 * sequence numbers keep out what was written; and of one partition each half.
 */
function partsOf(group: readonly Sending[], error: unknown): readonly (readonly Sending[])[] {
  if (protocolErrorType(error) === undefined || isWhollyRefused(error)) return [group];
  const ofPartitions = Map.groupBy(group, ({ record }) => record.partition);
  if (ofPartitions.size > 1) return [...ofPartitions.values()];
  if (!isAboutRecords(error) || group.length === 1) return [group];
  const middle = group.length >> 1;
  return [group.slice(0, middle), group.slice(middle)];
}

function settle(batch: readonly Sending[], outcome: Outcome): void {
  for (const sending of batch) sending.settle(outcome);
}

/** A token that a broker does not take is not shown again. */
const isRefusal = (error: unknown) =>
  error instanceof Error && error.name === 'KafkaJSSASLAuthenticationError';
