import { createRequire } from 'node:module';
import { type Broker, connectionTo, type Exchange, send } from '../../kafkajs/cluster.ts';
import type { Clock } from '../../runtime/clock.ts';
import { BusError, type CommittedOffset, type TopicPartition } from '../bus.ts';

/** The last version that says how long an offset is kept: Kafka would forget those of what the group does not read. */
const VERSION = 4;
/** The connection to the coordinator on which no join waits. */
const LINE = 1;
const TEN_YEARS = 10 * 365 * 86_400_000;

interface Answer {
  readonly responses: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[];
  }[];
}

interface CommitsAnswer {
  readonly responses: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly offset: string;
      readonly metadata: string | null;
    }[];
  }[];
}

const { protocol } = createRequire(import.meta.url)('kafkajs/src/protocol/requests/offsetCommit') as {
  protocol(options: { readonly version: number }): (parameters: object) => Exchange<Answer>;
};

const nameOf = (topic: string, partition: number) => `${topic}/${partition}`;

/**
 * Not now: ILLEGAL_GENERATION and REBALANCE_IN_PROGRESS while the group is between two generations, and the coordinator on
 * its way to another node. What a member has it may commit again in a moment.
 */
const PASSING = new Set([14, 15, 16, 22, 27]);
const PAUSE = 50;

/** Who commits, and where. */
export interface CommitContext {
  readonly groupId: string;
  readonly groupGenerationId: number;
  readonly memberId: string;
  readonly coordinator: Broker;
}

interface Waiting {
  readonly offsets: readonly CommittedOffset[];
  isOver(): boolean;
  resolve(): void;
  reject(error: unknown): void;
}

interface Deps {
  readonly clock: Clock;
  context(): Promise<CommitContext>;
}

/** Commits of many, in one request at a time: Kafka holds each for some milliseconds. */
export class Commits {
  readonly #deps: Deps;
  #waiting: Waiting[] = [];
  #isSending = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Tries for as long as something passing is in the way. `isOver`: they may not be committed any more. */
  commit(offsets: readonly CommittedOffset[], isOver: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ offsets, isOver, resolve, reject });
    if (!this.#isSending) void this.#send();
    return promise;
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    await Promise.resolve(); // with those of the same moment
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.filter((one) => !one.isOver());
      const over = this.#waiting.filter((one) => !batch.includes(one));
      for (const { reject } of over) reject(new BusError('failed', 'not committed: the partition is lost'));
      this.#waiting = [];
      try {
        if (batch.length > 0 && (await this.#sendBatch(batch))) await this.#deps.clock.sleep(PAUSE);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isSending = false;
  }

  /** Answers whether some wait to be sent again. */
  async #sendBatch(batch: readonly Waiting[]): Promise<boolean> {
    const codes = await this.#sendOnce(batch.flatMap(({ offsets }) => offsets));
    const again: Waiting[] = [];
    for (const one of batch) {
      const found = one.offsets.map(({ topic, partition }) => codes.get(nameOf(topic, partition)) ?? 0);
      if (found.some((code) => PASSING.has(code))) again.push(one);
      else if (found.every((code) => code === 0)) one.resolve();
      else
        one.reject(new BusError('failed', `Kafka refused the commit of ${one.offsets[0]?.topic}: ${found}`));
    }
    this.#waiting.unshift(...again);
    return again.length > 0;
  }

  async #sendOnce(offsets: readonly CommittedOffset[]): Promise<ReadonlyMap<string, number>> {
    const { coordinator, ...member } = await this.#deps.context();
    const last = new Map(offsets.map((one) => [nameOf(one.topic, one.partition), one]));
    const topics = [...Map.groupBy(last.values(), ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, offset, tag }) => ({
        partition,
        offset: String(offset),
        metadata: tag,
      })),
    }));
    const exchange = protocol({ version: VERSION })({ ...member, retentionTime: TEN_YEARS, topics });
    const connection = await connectionTo(coordinator, LINE);
    const response = { decode: exchange.response.decode, parse: async (data: Answer) => data };
    const { responses } = await connection.send({ ...exchange, response });
    return new Map(
      responses.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, errorCode }) => [nameOf(topic, partition), errorCode] as const),
      ),
    );
  }
}

/** What a group has committed for these partitions; those without are left out. */
export async function readCommitted(
  coordinator: Broker,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<readonly CommittedOffset[]> {
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
    topic,
    partitions: ofTopic.map(({ partition }) => ({ partition })),
  }));
  const { responses } = await send<CommitsAnswer>(coordinator, LINE, 'OffsetFetch', { groupId, topics });
  return responses.flatMap(({ topic, partitions: found }) =>
    found
      .map(({ partition, offset, metadata }) => ({
        topic,
        partition,
        offset: Number(offset),
        tag: metadata ?? '',
      }))
      .filter(({ offset }) => offset >= 0),
  );
}
