import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { DeadLetterSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Bus } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { backoffPause } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Failure } from '../handlers/handler.ts';
import type { InFlight } from './window.ts';

const RETRY = { initial: 500, max: 30_000 };

interface Deps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly serviceId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  random(): number;
}

/** Writes an integration's dead letters; its topic is created with the first one. */
export class DeadLetters {
  readonly #integrationId: string;
  readonly #generation: () => bigint;
  readonly #deps: Deps;
  #created = false;

  constructor(integrationId: string, generation: () => bigint, deps: Deps) {
    this.#integrationId = integrationId;
    this.#generation = generation;
    this.#deps = deps;
  }

  /** Tries until Kafka has the dead letter. Rejects only when the signal aborts. */
  async keep(message: InFlight, failure: Failure, signal: AbortSignal): Promise<void> {
    const { bus, topics, clock, logger, random } = this.#deps;
    const topic = topics.deadLetters(this.#integrationId);
    const value = this.#encode(message, failure);
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        if (!this.#created) await bus.createTopics([topic]);
        this.#created = true;
        return await bus.send(topic.name, { key: message.key, value });
      } catch (error) {
        this.#created = false;
        logger.warn('a dead letter is not kept yet, trying again', {
          topic: topic.name,
          error: messageOf(error),
        });
        await clock.sleep(backoffPause(RETRY, attempt, random()), signal);
      }
    }
  }

  #encode(message: InFlight, failure: Failure): Uint8Array {
    const now = this.#deps.clock.now();
    return toBinary(
      DeadLetterSchema,
      create(DeadLetterSchema, {
        envelope: message.value,
        failureClass: failure.failureClass,
        reason: failure.reason,
        attempts: message.attempts,
        firstAttemptTime: timestampFromMs(message.firstAttempt || now),
        lastAttemptTime: timestampFromMs(now),
        generation: this.#generation(),
        serviceId: this.#deps.serviceId,
        partition: message.partition,
        offset: BigInt(message.offset),
      }),
    );
  }
}
