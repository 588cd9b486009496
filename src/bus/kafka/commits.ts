import { createRequire } from 'node:module';
import { type Broker, connectionTo, type Exchange, send } from '../../kafkajs/cluster.ts';
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

/** Who commits, and where. */
export interface CommitContext {
  readonly groupId: string;
  readonly groupGenerationId: number;
  readonly memberId: string;
  readonly coordinator: Broker;
}

interface Waiting {
  readonly offsets: readonly CommittedOffset[];
  resolve(): void;
  reject(error: unknown): void;
}

/** Commits of many, in one request at a time: Kafka holds each for some milliseconds. */
export class Commits {
  readonly #context: () => Promise<CommitContext>;
  #waiting: Waiting[] = [];
  #isSending = false;

  constructor(context: () => Promise<CommitContext>) {
    this.#context = context;
  }

  commit(offsets: readonly CommittedOffset[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ offsets, resolve, reject });
    if (!this.#isSending) void this.#send();
    return promise;
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    await Promise.resolve(); // with those of the same moment
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const refused = await this.#sendBatch(batch.flatMap(({ offsets }) => offsets));
        for (const { offsets, resolve, reject } of batch) {
          const bad = offsets.find(({ topic, partition }) => refused.has(`${topic}/${partition}`));
          if (bad) reject(new BusError('failed', `Kafka refused the commit of ${bad.topic}`));
          else resolve();
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isSending = false;
  }

  /** Answers what was not taken. */
  async #sendBatch(offsets: readonly CommittedOffset[]): Promise<ReadonlySet<string>> {
    const { coordinator, ...member } = await this.#context();
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
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
    return new Set(
      responses.flatMap(({ topic, partitions }) =>
        partitions.filter(({ errorCode }) => errorCode !== 0).map(({ partition }) => `${topic}/${partition}`),
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
