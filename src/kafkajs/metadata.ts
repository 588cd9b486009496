import { ask, type Broker, type Cluster, cutConnections, type NodeAddress } from './cluster.ts';

export interface TopicMetadata {
  /** Kafka's number of an error; 0: none. */
  readonly topicErrorCode: number;
  readonly topic: string;
  readonly partitionMetadata: readonly {
    readonly partitionErrorCode: number;
    readonly partitionId: number;
    /** The node; -1: none. */
    readonly leader: number;
    /** The nodes that have it. */
    readonly replicas: readonly number[];
  }[];
}

/** The nodes that run, and topics, each with its own error. */
export function metadataOf(
  broker: Broker,
  topics: readonly string[],
): Promise<{ readonly brokers: readonly NodeAddress[]; readonly topicMetadata: readonly TopicMetadata[] }> {
  return ask(broker, 'Metadata', { topics, allowAutoTopicCreation: false });
}

/** Asks a node for topics, each with its own error: kafkajs takes an error of one for an error of all. */
export async function topicMetadata(
  broker: Broker,
  topics: readonly string[],
): Promise<readonly TopicMetadata[]> {
  return (await metadataOf(broker, topics)).topicMetadata;
}

/** As `topicMetadata`, of any node; kafkajs learns where the nodes are, whichever topics are in trouble. */
export async function learnTopics(
  { brokerPool }: Cluster,
  topics: readonly string[],
): Promise<readonly TopicMetadata[]> {
  const asked = await brokerPool.findConnectedBroker();
  const { brokers, topicMetadata } = await metadataOf(asked, topics).catch((error) => {
    cutConnections(asked, [0]); // it may hang: another one is asked next
    throw error;
  });
  const gone = new Set(Object.keys(brokerPool.brokers));
  for (const { nodeId, host, port, rack } of brokers) {
    const known = brokerPool.brokers[nodeId];
    if (known?.connectionPool.host === host && known.connectionPool.port === port)
      gone.delete(String(nodeId));
    else {
      const connectionPool = await brokerPool.connectionPoolBuilder.build({ host, port, rack: rack ?? null });
      const { rootLogger: logger, versions } = brokerPool;
      gone.delete(String(nodeId));
      if (known) cutConnections(known);
      brokerPool.brokers[nodeId] = brokerPool.createBroker({ logger, versions, connectionPool, nodeId });
    }
  }
  for (const nodeId of gone) {
    cutConnections(brokerPool.brokers[nodeId]!);
    delete brokerPool.brokers[nodeId];
  }
  return topicMetadata;
}

/** Of these topics one in no trouble: for kafkajs, which learns where the nodes are only with such a one. */
export function soundTopic(answer: readonly TopicMetadata[]): string | undefined {
  return answer.find(
    ({ topicErrorCode, partitionMetadata }) =>
      topicErrorCode === 0 && partitionMetadata.every(({ partitionErrorCode }) => partitionErrorCode === 0),
  )?.topic;
}

/** Lets kafkajs learn where the nodes are, whichever of these topics are in trouble. Rejects when all are. */
export async function learnNodes(cluster: Cluster, topics: readonly string[]): Promise<void> {
  const sound = soundTopic(await topicMetadata(await cluster.brokerPool.findConnectedBroker(), topics));
  if (sound === undefined)
    throw new Error(`no topic of ${topics.join(', ')} has a leader for each partition`);
  cluster.targetTopics.clear();
  await cluster.addMultipleTargetTopics([sound]);
}
