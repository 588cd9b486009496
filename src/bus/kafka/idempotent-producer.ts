import type { Kafka, Producer, TopicMessages } from 'kafkajs';
import { protocolErrorType } from '../../kafkajs/protocol-error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { DeadlineError, withDeadline } from '../../runtime/deadline.ts';
import { messageOf } from '../../runtime/logger.ts';
import { spreadingPartitioner } from './partitioner.ts';

/** One attempt to send a batch, at most. Never less: a producer that is cut off at once never gets to connect. */
const ATTEMPT_DEADLINE = 10_000;
/** So soon, in milliseconds, records go to partitions that were added to a topic. */
const METADATA_AGE = 30_000;
/** Sending that fails for so long is told, in seconds. */
const TROUBLE = 5;
/** Errors after which an idempotent producer cannot go on. */
const LOST = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
]);

/** A producer of kafkajs, connected when it is used, and made anew when it cannot go on. */
export class IdempotentProducer {
  readonly #kafka: Kafka;
  readonly #clock: Clock;
  #producer: Promise<Producer> | undefined;
  /** Since when sending fails, and why it last did. */
  #failing: { readonly since: number; readonly error: string } | undefined;

  constructor(kafka: Kafka, clock: Clock) {
    this.#kafka = kafka;
    this.#clock = clock;
  }

  /** Sends once, with acks=all. @throws DeadlineError Kafka did not answer; or what kafkajs throws */
  async send(topicMessages: TopicMessages[]): Promise<void> {
    const work = this.#connected().then((producer) => producer.sendBatch({ acks: -1, topicMessages }));
    try {
      await withDeadline(this.#clock, ATTEMPT_DEADLINE, 'sending to Kafka', work);
      this.#failing = undefined;
    } catch (error) {
      this.#failing = { since: this.#failing?.since ?? this.#clock.monotonic(), error: messageOf(error) };
      // A send without an end would write behind the next one: this producer is not used again.
      if (error instanceof DeadlineError || LOST.has(protocolErrorType(error) ?? '')) this.discard();
      throw error;
    }
  }

  /** Why nothing was sent for some seconds. */
  trouble(): string | undefined {
    if (!this.#failing) return undefined;
    const { since, error } = this.#failing;
    const seconds = Math.floor((this.#clock.monotonic() - since) / 1000);
    return seconds >= TROUBLE ? `Kafka has taken no records for ${seconds} s: ${error}` : undefined;
  }

  #connected(): Promise<Producer> {
    this.#producer ??= (async () => {
      const producer = this.#kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: spreadingPartitioner,
        metadataMaxAge: METADATA_AGE,
      });
      try {
        await producer.connect();
        return producer;
      } catch (error) {
        this.#producer = undefined;
        throw error;
      }
    })();
    return this.#producer;
  }

  /** Starts afresh: its sequence numbers are not those of what comes, or it asks for a topic that was deleted. */
  discard(): void {
    const producer = this.#producer;
    this.#producer = undefined;
    producer?.then((p) => p.disconnect()).catch(() => {});
  }

  async close(): Promise<void> {
    await this.#producer?.then((producer) => producer.disconnect());
  }
}
