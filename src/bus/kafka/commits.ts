import { createRequire } from 'node:module';
import { type Broker, connectionTo, type Exchange, send } from '../../kafkajs/cluster.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
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
const UNKNOWN_TOPIC = 3;
const PAUSE = 50;
/** For one request; and in all, while something passing is in the way: a leader that died in a rebalance takes its session. */
const DEADLINE = 3000;
const PATIENCE = 8000;

/** Who commits, and where. */
export interface CommitContext {
  readonly groupId: string;
  readonly groupGenerationId: number;
  readonly memberId: string;
  readonly coordinator: Broker;
}

interface Waiting {
  readonly offsets: readonly CommittedOffset[];
  readonly since: number;
  isOver(): boolean;
  resolve(): void;
  reject(error: unknown): void;
  /** It was resolved or rejected: whoever wanted it does not wait any more. */
  isSettled: boolean;
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

  /**
   * Rejects when Kafka does not take it: what is passing it waits for, some seconds. Once it has rejected, nothing of it is
   * sent any more. `isOver`: they may not be committed any more.
   */
  commit(offsets: readonly CommittedOffset[], isOver: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const since = this.#deps.clock.monotonic();
    this.#waiting.push({ offsets, since, isOver, resolve, reject, isSettled: false });
    if (!this.#isSending) void this.#send();
    return promise;
  }

  async #send(): Promise<void> {
    const { clock } = this.#deps;
    this.#isSending = true;
    await Promise.resolve(); // with those of the same moment
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const codes = await withDeadline(clock, DEADLINE, 'commit', this.#exchange(batch));
        for (const one of batch) if (!one.isSettled) this.#settle(one, codes);
      } catch (error) {
        for (const one of batch) refuse(one, error);
      }
      const again = batch.filter(({ isSettled }) => !isSettled);
      this.#waiting.unshift(...again); // before newer ones, which are to have the last word
      if (again.length > 0) await clock.sleep(PAUSE);
    }
    this.#isSending = false;
  }

  #settle(one: Waiting, codes: ReadonlyMap<string, number>): void {
    const found = one.offsets.map(({ topic, partition }) => codes.get(nameOf(topic, partition)) ?? 0);
    const isLate = this.#deps.clock.monotonic() - one.since >= PATIENCE;
    if (found.some((code) => PASSING.has(code)) && !isLate) return;
    if (found.some((code) => code !== 0)) {
      const reason = found.includes(UNKNOWN_TOPIC) ? 'unknown-topic' : 'failed';
      refuse(one, new BusError(reason, `Kafka refused the commit of ${one.offsets[0]?.topic}: ${found}`));
    } else {
      one.isSettled = true;
      one.resolve();
    }
  }

  /** What Kafka says to each partition. */
  async #exchange(batch: readonly Waiting[]): Promise<ReadonlyMap<string, number>> {
    const { coordinator, ...member } = await this.#deps.context();
    const connection = await connectionTo(coordinator, LINE);
    // That may have taken long. From here to the request nothing comes between.
    const isLost = (one: Waiting) => !one.isSettled && one.isOver();
    for (const one of batch.filter(isLost)) {
      refuse(one, new BusError('failed', 'not committed: the partition is lost'));
    }
    const offsets = batch.filter(({ isSettled }) => !isSettled).flatMap((one) => one.offsets);
    if (offsets.length === 0) return new Map();
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
    const response = { decode: exchange.response.decode, parse: async (data: Answer) => data };
    const { responses } = await connection.send({ ...exchange, response });
    return new Map(
      responses.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, errorCode }) => [nameOf(topic, partition), errorCode] as const),
      ),
    );
  }
}

function refuse(one: Waiting, error: unknown): void {
  one.isSettled = true;
  one.reject(error);
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
