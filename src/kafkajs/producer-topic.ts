import type { TopicMetadata } from './metadata.ts';
import type { Judge, Outgoing } from './outgoing.ts';
import { PartitionQueue } from './partition-queue.ts';
import { protocolError } from './protocol-error.ts';

/** The partitions of a topic, from 0 on, and those of them that have a leader. */
export interface Partitions {
  readonly count: number;
  readonly led: readonly number[];
}

const LEADER_NOT_AVAILABLE = 5;

/** What waits for one topic, and what is known of its partitions. */
export class ProducerTopic<T extends Outgoing> {
  readonly name: string;
  /** By partition. */
  readonly queues: PartitionQueue<T>[] = [];
  /** When Kafka last told of the topic, in milliseconds of the monotonic clock. */
  learned = Number.NEGATIVE_INFINITY;
  /** When a record last came for it. */
  used = 0;
  /** When it was last asked about. */
  looked = Number.NEGATIVE_INFINITY;
  /** Something is not as Kafka told. */
  isStale = true;
  readonly #place: (record: T, partitions: Partitions) => number;
  #partitions: Partitions = { count: 0, led: [] };
  #unplaced: T[] = [];
  #error: unknown;
  /** Looks in a row that found no such topic. */
  #failures = 0;

  /** @param place chooses a record's partition */
  constructor(name: string, place: (record: T, partitions: Partitions) => number) {
    this.name = name;
    this.#place = place;
  }

  get isEmpty(): boolean {
    return this.#unplaced.length === 0 && this.queues.every((queue) => queue.isEmpty);
  }

  /** Whether something waits that cannot leave before Kafka tells of the topic anew. */
  get needsLook(): boolean {
    return this.#unplaced.length > 0 || (this.isStale && !this.isEmpty);
  }

  /** Whether Kafka has told of partitions, and not since that there is no such topic. */
  get isKnown(): boolean {
    return this.#partitions.count > 0;
  }

  /** Answers where the record waits; undefined: for the partitions to be known. */
  add(record: T): PartitionQueue<T> | undefined {
    if (this.#partitions.count === 0) {
      this.#unplaced.push(record);
      return undefined;
    }
    const queue = this.queues[this.#place(record, this.#partitions)]!;
    queue.add(record);
    return queue;
  }

  /** Takes in what Kafka tells; answers the queues in which something waits. */
  learn({ topicErrorCode, partitionMetadata }: TopicMetadata, now: number): readonly PartitionQueue<T>[] {
    if (topicErrorCode !== 0 && topicErrorCode !== LEADER_NOT_AVAILABLE) {
      this.lookFailed(protocolError(topicErrorCode));
      this.#know({ count: 0, led: [] });
      return [];
    }
    this.learned = now;
    this.#failures = 0;
    this.#error = undefined;
    const leaders = new Map(partitionMetadata.map(({ partitionId, leader }) => [partitionId, leader]));
    const count = partitionMetadata.length;
    for (let i = this.queues.length; i < count; i++) this.queues.push(new PartitionQueue(this.name, i));
    for (const queue of this.queues) this.#lead(queue, leaders.get(queue.partition) ?? -1);
    this.#know({ count, led: [...leaders.keys()].filter((id) => leaders.get(id)! >= 0) });
    this.isStale = this.queues.slice(0, count).some(({ leader }) => leader < 0);
    return this.queues.filter((queue) => !queue.isEmpty);
  }

  #lead(queue: PartitionQueue<T>, leader: number): void {
    queue.leader = leader;
    if (leader < 0) queue.cannotLeave(protocolError(LEADER_NOT_AVAILABLE));
    else queue.looks = 0;
  }

  /** What waits in partitions that are not there any more goes to others; their queues stay, for the numbers go on. */
  #know(partitions: Partitions): void {
    this.#partitions = partitions;
    const back = this.queues.slice(partitions.count).flatMap((queue) => queue.takeBack());
    for (const record of [...back, ...this.#unplaced.splice(0)]) this.add(record);
  }

  /** Kafka did not tell of the topic, or has no such topic. */
  lookFailed(error: unknown): void {
    this.learned = Number.NEGATIVE_INFINITY;
    this.#error = error;
    this.#failures++;
  }

  /** Settles what is not to be tried again; what a look in vain means for it, right after a look. */
  judge(judge: Judge<T>, isAfterLook: boolean): void {
    const refusals: [T, unknown][] = []; // what is settled may make room for others, which come at once
    this.#unplaced = this.#unplaced.filter((record) => {
      const refusal = judge(record, isAfterLook ? this.#failures : 0, this.#error);
      if (refusal !== undefined) refusals.push([record, refusal]);
      return refusal === undefined;
    });
    if (this.#unplaced.length === 0) this.#failures = 0; // those who come next have as many looks
    for (const [record, refusal] of refusals) record.settle(refusal);
    for (const queue of this.queues) if (!queue.isEmpty) queue.judge(judge);
  }

  end(error: unknown): void {
    for (const record of this.#unplaced.splice(0)) record.settle(error);
    for (const queue of this.queues) queue.end(error);
  }
}
