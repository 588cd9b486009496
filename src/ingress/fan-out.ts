import type { Bus } from '../bus/bus.ts';
import type { Lane } from '../bus/lane.ts';
import { createEnvelopeEncoder, type PublishedMessage } from '../contract/encode-envelope.ts';
import { takeHops } from '../contract/hops.ts';
import { orderKey } from '../contract/order-key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Filters } from './filters.ts';

/**
 * Takes a message in: resolves with the number of integrations that match once Kafka has it for all of them, rejects when
 * Kafka does not take it. The message is valid during the call only. Calls are stored in their order; those of a lane that
 * come behind one that was refused are refused too. One of QoS 2 in a lane is not refused while Kafka may have it. `there`:
 * topics that have it already, and do not get it again; those that get it are added, also when the call rejects.
 */
export type TakeIn = (message: PublishedMessage, lane?: Lane, there?: Set<string>) => Promise<number>;

interface Deps {
  readonly bus: Pick<Bus, 'sendCopies'>;
  readonly filters: Pick<Filters, 'match'>;
  readonly clock: Clock;
  /** This node's service id. */
  readonly node: string;
  /** Makes the UUID of a message. */
  newId(): Uint8Array;
}

/** Writes each message to the message topic of every integration that wants it. */
export function createFanOut({ bus, filters, clock, node, newId }: Deps): TakeIn {
  const encode = createEnvelopeEncoder();
  return async (published, lane, there) => {
    const destinations = [...filters.match(published.topicName)];
    if (destinations.length === 0) return 0;
    const message = withHops(published);
    const value = encode(message, { receivedTime: clock.now(), node, id: message.id ?? newId() });
    const to = destinations
      .filter(({ topic }) => !there?.has(topic))
      .map(({ topic, order }) => ({ topic, key: orderKey(order, message) }));
    const isOnce = lane !== undefined && message.qos === 2;
    await bus.sendCopies({ value, to, ...(lane && { lane }), ...(isOnce && { isOnce }), there });
    return destinations.length;
  };
}

/** What integrations before have counted is a field of its own, and leaves with the next count. */
function withHops(message: PublishedMessage): PublishedMessage {
  return message.userProperties.length === 0 ? message : { ...message, ...takeHops(message.userProperties) };
}
