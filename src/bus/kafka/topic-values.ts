import type { Kafka } from 'kafkajs';
import { type Broker, closeCluster, createCluster } from '../../kafkajs/cluster.ts';
import { setTopicConfig, type TopicConfig, topicConfigs } from '../../kafkajs/topic-configs.ts';

/** What Kafka says of a topic that is not there. */
const UNKNOWN_TOPIC = 3;

/** Works with some node of Kafka, over connections of its own. */
export async function withBroker<T>(kafka: Kafka, work: (broker: Broker) => Promise<T>): Promise<T> {
  const cluster = createCluster(kafka);
  try {
    await cluster.connect();
    return await work(await cluster.brokerPool.findConnectedBroker());
  } finally {
    await closeCluster(cluster, Promise.resolve());
  }
}

/** The topics whose value of this name passes; those that do not exist are left out. */
export async function topicsBy(
  broker: Broker,
  topics: readonly string[],
  name: string,
  passes: (config: TopicConfig) => boolean,
): Promise<readonly string[]> {
  if (topics.length === 0) return [];
  const configs = await topicConfigs(broker, topics, name);
  const there = configs.filter(({ errorCode }) => errorCode !== UNKNOWN_TOPIC);
  const unknown = there.find(({ errorCode }) => errorCode !== 0);
  if (unknown)
    throw new Error(`Kafka does not tell ${name} of ${unknown.topic} (error ${unknown.errorCode})`);
  return there.filter(passes).map(({ topic }) => topic);
}

export async function setValue(
  broker: Broker,
  topics: readonly string[],
  name: string,
  value: string,
): Promise<void> {
  if (topics.length === 0) return;
  const [failed] = await setTopicConfig(broker, topics, name, value);
  if (failed) {
    throw new Error(`Kafka does not let ${name} of ${failed[0]} be set to ${value} (error ${failed[1]})`);
  }
}
