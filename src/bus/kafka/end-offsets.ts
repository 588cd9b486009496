import type { Broker } from '../../kafkajs/cluster.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import type { TopicPartition } from '../bus.ts';
import { nameOf } from './partition-feed.ts';

/** Questions of so many milliseconds are asked together. */
const WINDOW = 250;
const DEADLINE = 5000;
/** Kafka's word for the end of a partition. */
const LATEST = -1;

interface Deps {
  broker(): Promise<Broker>;
  readonly clock: Clock;
}

/** The end offsets of partitions that one node leads: thousands of integrations ask for theirs now and then. */
export class EndOffsets {
  readonly #deps: Deps;
  readonly #asked = new Map<string, TopicPartition>();
  #answer: Promise<ReadonlyMap<string, number>> | undefined;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Rejects when Kafka does not tell, of this one or of another that was asked for at the same time. */
  async of({ topic, partition }: TopicPartition): Promise<number> {
    const name = nameOf(topic, partition);
    this.#asked.set(name, { topic, partition });
    this.#answer ??= this.#ask();
    const end = (await this.#answer).get(name);
    if (end === undefined) throw new Error(`Kafka does not tell the end of ${name}`);
    return end;
  }

  async #ask(): Promise<ReadonlyMap<string, number>> {
    const { clock, broker } = this.#deps;
    await clock.sleep(WINDOW);
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    this.#answer = undefined;
    const topics = [...Map.groupBy(asked, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition }) => ({ partition, timestamp: LATEST })),
    }));
    const answered = broker().then((one) => one.listOffsets({ isolationLevel: 1, topics }));
    const { responses } = await withDeadline(clock, DEADLINE, 'reading end offsets', answered);
    return new Map(
      responses.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) => [nameOf(topic, partition), Number(offset)] as const),
      ),
    );
  }
}
