import type { Kafka } from 'kafkajs';
import { metadataOf } from '../../kafkajs/metadata.ts';
import type { TopicConfig } from '../../kafkajs/topic-configs.ts';
import type { Replicas } from '../bus.ts';
import { setValue, topicsBy, withBroker } from './topic-values.ts';

const MIN_INSYNC = 'min.insync.replicas';

/**
 * Has Kafka acknowledge only what `minInsync` replicas have, in topics with more replicas than that which nobody has set
 * otherwise. Answers how they are kept; topics that do not exist are left out.
 */
export function keepReplicas(kafka: Kafka, topics: readonly string[], minInsync: number): Promise<Replicas> {
  return withBroker(kafka, async (broker) => {
    const { brokers, topicMetadata } = await metadataOf(broker, topics);
    // Of a topic without a leader, too, Kafka tells which nodes have it.
    const replicas = new Map(
      topicMetadata
        .filter(({ partitionMetadata }) => partitionMetadata.length > 0)
        .map(({ topic, partitionMetadata }) => [
          topic,
          Math.min(...partitionMetadata.map((one) => one.replicas.length)),
        ]),
    );
    if (minInsync > 1) {
      const wide = [...replicas].filter(([, count]) => count > minInsync).map(([topic]) => topic);
      const isLow = ({ isOwn, value }: TopicConfig) => !isOwn && Number(value) < minInsync;
      await setValue(broker, await topicsBy(broker, wide, MIN_INSYNC, isLow), MIN_INSYNC, String(minInsync));
    }
    return { nodes: brokers.length, replicas };
  });
}
