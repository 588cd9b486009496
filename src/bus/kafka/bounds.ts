import type { Kafka } from 'kafkajs';
import type { Bounds } from '../topics.ts';
import { setValue, topicsBy, withBroker } from './topic-values.ts';

const BYTES = 'retention.bytes';
const SEGMENT = 'segment.bytes';
const UNBOUNDED = '-1';

/** Bounds those topics that may grow without end. A segment size that somebody has set stays. */
export function keepBounds(kafka: Kafka, topics: readonly string[], bounds: Bounds): Promise<void> {
  return withBroker(kafka, async (broker) => {
    const unbounded = await topicsBy(broker, topics, BYTES, ({ value }) => value === UNBOUNDED);
    const unset = await topicsBy(broker, unbounded, SEGMENT, ({ isOwn }) => !isOwn);
    await setValue(broker, unset, SEGMENT, bounds[SEGMENT]);
    await setValue(broker, unbounded, BYTES, bounds[BYTES]); // last: by it they are found, should this end early
  });
}
