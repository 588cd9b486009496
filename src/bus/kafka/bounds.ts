import type { Kafka } from 'kafkajs';
import type { Bounds, Retention } from '../topics.ts';
import { setValue, topicsBy, withBroker } from './topic-values.ts';

const BYTES = 'retention.bytes';
const SEGMENT = 'segment.bytes';
const UNBOUNDED = '-1';
const POLICY = 'cleanup.policy';
const AGE = 'retention.ms';

/** Bounds those topics that may grow without end. A segment size that somebody has set stays. */
export function keepBounds(kafka: Kafka, topics: readonly string[], bounds: Bounds): Promise<void> {
  return withBroker(kafka, async (broker) => {
    const unbounded = await topicsBy(broker, topics, BYTES, ({ value }) => value === UNBOUNDED);
    const unset = await topicsBy(broker, unbounded, SEGMENT, ({ isOwn }) => !isOwn);
    await setValue(broker, unset, SEGMENT, bounds[SEGMENT]);
    await setValue(broker, unbounded, BYTES, bounds[BYTES]); // last: by it they are found, should this end early
  });
}

/** Has Kafka delete what is old of those topics that it only compacts. An age that somebody has set stays. */
export function keepRetention(kafka: Kafka, topics: readonly string[], retention: Retention): Promise<void> {
  return withBroker(kafka, async (broker) => {
    const compacted = await topicsBy(broker, topics, POLICY, ({ value }) => value === 'compact');
    const unset = await topicsBy(broker, compacted, AGE, ({ isOwn }) => !isOwn);
    await setValue(broker, unset, AGE, retention[AGE]); // first: Kafka deletes by it as soon as it deletes
    await setValue(broker, compacted, POLICY, retention[POLICY]);
  });
}
