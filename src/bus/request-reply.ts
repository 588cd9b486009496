import { randomUUID } from 'node:crypto';
import type { ValidationResponse, ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { DeadlineError, withDeadline } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { type Bus, BusError, type IncomingRecord } from './bus.ts';
import { decoder } from './codec.ts';
import { feedFromStart } from './feed-from-start.ts';
import type { Topic } from './topics.ts';

/** How long reading the topic of the answers to its end may take, in milliseconds. */
const RESTORE_DEADLINE = 60_000;

/**
 * Who has the partition of a request may hang: when nothing was answered for so long, it is sent again and again to some
 * partitions more, which others have. In milliseconds.
 */
const PATIENCE = 3000;
const PAUSE = 1000;
const MORE = 2;

export interface Question {
  readonly requestId: string;
  readonly value: Uint8Array;
  /** How long the answer may take, in milliseconds. */
  readonly timeToLive: number;
  /** Whether it does no harm when several answer it. */
  readonly isRepeatable: boolean;
}

/** Asks over Kafka and waits for the answer on a topic of this node alone. */
export interface Requester extends Disposable {
  /** The topic to answer on. */
  readonly replyTopic: string;
  /**
   * Sends the request and waits for the first answer with its id.
   * @throws DeadlineError nobody answered in time
   * @throws BusError Kafka did not take the request
   */
  request(topic: string, question: Question, signal?: AbortSignal): Promise<ValidationResponse>;
}

interface Options {
  readonly bus: Bus;
  readonly topic: Topic<typeof ValidationResponseSchema>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined;
}

/** @throws DeadlineError when the topic of the answers is not read to its end in time */
export async function startRequester(options: Options): Promise<Requester> {
  const { bus, topic, clock, metrics, signal: starting } = options;
  const decode = decoder(topic.schema, options);
  const waiting = new Map<string, (response: ValidationResponse) => void>();
  const onRecord = (record: IncomingRecord) => {
    const response = decode(record);
    if (!response) return;
    const settle = waiting.get(response.requestId);
    if (settle) settle(response);
    else metrics.strayReplies.inc();
    waiting.delete(response.requestId);
  };
  const feed = feedFromStart(bus, { topic: topic.name, partition: 0 }, onRecord);
  try {
    await withDeadline(clock, RESTORE_DEADLINE, 'reading the answers', feed.caughtUp, starting);
  } catch (error) {
    feed[Symbol.dispose]();
    throw error;
  }
  return {
    replyTopic: topic.name,
    async request(requestTopic, { requestId, value, timeToLive, isRepeatable }, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<ValidationResponse>();
      const abort = () => reject(signal?.reason);
      signal?.addEventListener('abort', abort, { once: true });
      waiting.set(requestId, resolve);
      let isSent = false;
      let stopAsking: CancelTimer = () => {};
      // The first one counts: what becomes of these nobody has to know.
      const askAnother = () => void bus.send(requestTopic, { key: randomUUID(), value }).catch(() => {});
      const answered = (async () => {
        signal?.throwIfAborted();
        await bus.send(requestTopic, { key: requestId, value });
        isSent = true;
        if (isRepeatable && waiting.has(requestId)) stopAsking = startAsking(clock, askAnother);
        return promise;
      })();
      promise.catch(() => {}); // a call that ended before Kafka took the request
      try {
        return await withDeadline(clock, timeToLive, 'validation', answered);
      } catch (error) {
        if (isSent || !(error instanceof DeadlineError)) throw error;
        throw new BusError('timeout', `Kafka did not take the request within ${timeToLive} ms`, {
          cause: error,
        });
      } finally {
        answered.catch(() => {}); // its end after the deadline is nobody's
        stopAsking();
        waiting.delete(requestId);
        signal?.removeEventListener('abort', abort);
      }
    },
    [Symbol.dispose]() {
      feed[Symbol.dispose]();
    },
  };
}

function startAsking(clock: Pick<Clock, 'setTimer'>, askAnother: () => void): CancelTimer {
  const ask = () => {
    for (let i = 0; i < MORE; i++) askAnother();
    cancel = clock.setTimer(ask, PAUSE);
  };
  let cancel = clock.setTimer(ask, PATIENCE);
  return () => cancel();
}
