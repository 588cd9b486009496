import type { Kafka } from 'kafkajs';
import { type Broker, closeCluster, createCluster } from '../../kafkajs/cluster.ts';
import { metadataOf } from '../../kafkajs/metadata.ts';
import { setTopicConfig, topicConfigs } from '../../kafkajs/topic-configs.ts';
import type { Replicas } from '../bus.ts';

const MIN_INSYNC = 'min.insync.replicas';

/**
 * Has Kafka acknowledge only what `minInsync` replicas have, in topics with more replicas than that which nobody has set
 * otherwise. Answers how they are kept; topics that do not exist are left out.
 */
export async function keepReplicas(
  kafka: Kafka,
  topics: readonly string[],
  minInsync: number,
): Promise<Replicas> {
  const cluster = createCluster(kafka);
  try {
    await cluster.connect();
    const broker = await cluster.brokerPool.findConnectedBroker();
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
    const wide = [...replicas].filter(([, count]) => count > minInsync).map(([topic]) => topic);
    if (minInsync > 1 && wide.length > 0) await raise(broker, wide, minInsync);
    return { nodes: brokers.length, replicas };
  } finally {
    await closeCluster(cluster, Promise.resolve());
  }
}

async function raise(broker: Broker, topics: readonly string[], minInsync: number): Promise<void> {
  const configs = await topicConfigs(broker, topics, MIN_INSYNC);
  const unknown = configs.find(({ errorCode }) => errorCode !== 0);
  if (unknown)
    throw new Error(`Kafka does not tell ${MIN_INSYNC} of ${unknown.topic} (error ${unknown.errorCode})`);
  const low = configs.filter(({ isOwn, value }) => !isOwn && Number(value) < minInsync);
  if (low.length === 0) return;
  const names = low.map(({ topic }) => topic);
  const [failed] = await setTopicConfig(broker, names, MIN_INSYNC, String(minInsync));
  if (failed) {
    throw new Error(
      `Kafka does not let ${MIN_INSYNC} of ${failed[0]} be set to ${minInsync} (error ${failed[1]})`,
    );
  }
}
