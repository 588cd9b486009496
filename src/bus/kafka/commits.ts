import { createRequire } from 'node:module';
import { type Broker, connectionTo, type Exchange, send } from '../../kafkajs/cluster.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import type { Logger } from '../../runtime/logger.ts';
import { BusError, type CommittedOffset, type TopicPartition } from '../bus.ts';
import { METADATA_LIMIT, metadataOf, parseMetadata } from '../offset-metadata.ts';

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
/** OFFSET_METADATA_TOO_LARGE and INVALID_COMMIT_OFFSET_SIZE: it takes less. */
const TOO_LARGE = new Set([12, 28]);
/** What a request may become in the group's log, where it is one batch; and what an offset takes there besides its metadata. */
const MAX_BYTES = 262_144;
const OVERHEAD = 300;
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

interface Offset extends TopicPartition {
  readonly offset: string;
  readonly metadata: string;
}

interface Waiting {
  readonly committed: readonly CommittedOffset[];
  /** The same as it is sent. */
  offsets: readonly Offset[];
  readonly since: number;
  isOver(): boolean;
  resolve(): void;
  reject(error: unknown): void;
  /** It was resolved or rejected: whoever wanted it does not wait any more. */
  isSettled: boolean;
}

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  context(): Promise<CommitContext>;
}

/** Commits of many, in one request at a time: Kafka holds each for some milliseconds. */
export class Commits {
  readonly #deps: Deps;
  #waiting: Waiting[] = [];
  #isSending = false;
  /** Of an offset's metadata, in characters. */
  #limit = METADATA_LIMIT;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Rejects when Kafka does not take it: what is passing it waits for, some seconds. Once it has rejected, nothing of it is
   * sent any more. `isOver`: they may not be committed any more.
   */
  commit(committed: readonly CommittedOffset[], isOver: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const since = this.#deps.clock.monotonic();
    const offsets = this.#written(committed);
    this.#waiting.push({ committed, offsets, since, isOver, resolve, reject, isSettled: false });
    if (!this.#isSending) void this.#send();
    return promise;
  }

  #written(committed: readonly CommittedOffset[]): readonly Offset[] {
    return committed.map((one) => ({
      topic: one.topic,
      partition: one.partition,
      offset: String(one.offset),
      metadata: metadataOf(one, this.#limit),
    }));
  }

  async #send(): Promise<void> {
    const { clock } = this.#deps;
    this.#isSending = true;
    await Promise.resolve(); // with those of the same moment
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
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

  /** Those that wait for longest, as many as Kafka takes at a time. */
  #nextBatch(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { offsets } of this.#waiting) {
      bytes += offsets.reduce((sum, { metadata }) => sum + metadata.length + OVERHEAD, 0);
      if (count > 0 && bytes > MAX_BYTES) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  #settle(one: Waiting, codes: ReadonlyMap<string, number>): void {
    const found = one.offsets.map(({ topic, partition }) => codes.get(nameOf(topic, partition)) ?? 0);
    const isLate = this.#deps.clock.monotonic() - one.since >= PATIENCE;
    if (found.some((code) => PASSING.has(code)) && !isLate) return;
    if (found.some((code) => TOO_LARGE.has(code)) && this.#shorten(one)) return;
    if (found.some((code) => code !== 0)) {
      const reason = found.includes(UNKNOWN_TOPIC) ? 'unknown-topic' : 'failed';
      refuse(one, new BusError(reason, `Kafka refused the commit of ${one.offsets[0]?.topic}: ${found}`));
    } else {
      one.isSettled = true;
      one.resolve();
    }
  }

  /** With less of what is settled ahead, from now on. Answers false when nothing of it is left. */
  #shorten(one: Waiting): boolean {
    const lengths = one.offsets.map(({ metadata }) => metadata.length);
    if (lengths.every((length, i) => length === one.committed[i]?.tag.length)) return false;
    this.#limit = Math.min(this.#limit, Math.floor(Math.max(...lengths) / 2));
    this.#deps.logger.warn('Kafka takes little metadata with an offset: more may be delivered twice', {
      topic: one.offsets[0]?.topic,
      characters: this.#limit,
      advice: `let it take ${METADATA_LIMIT} (offset.metadata.max.bytes)`,
    });
    one.offsets = this.#written(one.committed);
    return one.offsets.some(({ metadata }, i) => metadata.length < lengths[i]!);
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
    const topics = [...Map.groupBy(last.values(), ({ topic }) => topic)].map(([topic, partitions]) => ({
      topic,
      partitions,
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
        ...parseMetadata(metadata, Number(offset)),
      }))
      .filter(({ offset }) => offset >= 0),
  );
}
