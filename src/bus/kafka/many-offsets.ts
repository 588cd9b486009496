import type { Kafka } from 'kafkajs';
import { ask, type Broker, type Cluster, closeCluster, createCluster } from '../../kafkajs/cluster.ts';
import { learnTopics } from '../../kafkajs/metadata.ts';
import type { OffsetRange } from '../bus.ts';

/** Topics that are asked for at a time. */
const PAGE = 1000;
/** Kafka's words for the begin and the end of a partition. */
const [EARLIEST, LATEST] = [-2, -1];

interface Partitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

type Offsets = ReadonlyMap<string, ReadonlyMap<number, OffsetRange>>;

/**
 * The offsets of topics, each node asked for all that it leads. A topic that does not exist, or of which a partition has no
 * leader that tells, is left out.
 */
export async function offsetsOfTopics(kafka: Kafka, topics: readonly string[]): Promise<Offsets> {
  const cluster = createCluster(kafka);
  try {
    await cluster.connect();
    const all = new Map<string, ReadonlyMap<number, OffsetRange>>();
    for (let start = 0; start < topics.length; start += PAGE) {
      for (const [topic, offsets] of await ofPage(cluster, topics.slice(start, start + PAGE)))
        all.set(topic, offsets);
    }
    return all;
  } finally {
    await closeCluster(cluster, Promise.resolve());
  }
}

async function ofPage(cluster: Cluster, topics: readonly string[]): Promise<Offsets> {
  const metadata = await learnTopics(cluster, topics);
  const led = metadata.flatMap(({ topic, partitionMetadata }) =>
    partitionMetadata.map(({ partitionId, leader }) => ({ topic, partition: partitionId, leader })),
  );
  const answers = [...Map.groupBy(led, ({ leader }) => leader)].map(async ([nodeId, some]) => {
    if (nodeId < 0) return new Map<string, OffsetRange>();
    const partitions = [...Map.groupBy(some, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition }) => partition),
    }));
    return ofNode(await cluster.findBroker({ nodeId }), partitions);
  });
  const told = new Map((await Promise.all(answers)).flatMap((one) => [...one]));
  const whole = new Map<string, ReadonlyMap<number, OffsetRange>>();
  for (const { topic, topicErrorCode, partitionMetadata } of metadata) {
    const ranges = partitionMetadata.flatMap(({ partitionId }) => {
      const range = told.get(nameOf(topic, partitionId));
      return range ? [[partitionId, range] as const] : [];
    });
    const isWhole = topicErrorCode === 0 && ranges.length === partitionMetadata.length;
    if (isWhole && ranges.length > 0) whole.set(topic, new Map(ranges));
  }
  return whole;
}

const nameOf = (topic: string, partition: number) => `${topic}/${partition}`;

async function ofNode(broker: Broker, topics: readonly Partitions[]): Promise<Map<string, OffsetRange>> {
  // In this order: what is removed meanwhile makes no range that ends before it begins.
  const starts = await listOffsets(broker, topics, EARLIEST);
  const ends = await listOffsets(broker, topics, LATEST);
  const ranges = new Map<string, OffsetRange>();
  for (const [name, start] of starts) {
    const end = ends.get(name);
    if (end !== undefined) ranges.set(name, { start, end });
  }
  return ranges;
}

/** Those of the partitions that the node tells. */
async function listOffsets(
  broker: Broker,
  topics: readonly Partitions[],
  timestamp: number,
): Promise<Map<string, number>> {
  const { responses } = await ask<{
    readonly responses: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly errorCode: number;
        readonly offset: string;
      }[];
    }[];
  }>(broker, 'ListOffsets', {
    isolationLevel: 1,
    topics: topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => ({ partition, timestamp })),
    })),
  });
  return new Map(
    responses.flatMap(({ topic, partitions }) =>
      partitions
        .filter(({ errorCode }) => errorCode === 0)
        .map(({ partition, offset }) => [nameOf(topic, partition), Number(offset)] as const),
    ),
  );
}
