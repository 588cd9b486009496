import type { Cluster } from '../../kafkajs/cluster.ts';
import { topicMetadata } from '../../kafkajs/metadata.ts';
import { BusError } from '../bus.ts';
import { decodeMembers, encodeAssignments } from './group-protocol.ts';

/** What every member of a group gets, as its leader decides it. Rejects when a topic is not known. */
export async function assignAsLeader(
  cluster: Cluster,
  members: Parameters<typeof decodeMembers>[0],
): Promise<ReturnType<typeof encodeAssignments>> {
  const decoded = decodeMembers(members);
  const names = new Set(decoded.flatMap(({ topics }) => [...topics]));
  const found = await topicMetadata(await cluster.brokerPool.findConnectedBroker(), [...names]);
  const topics = found.map(({ topic: name, topicErrorCode, partitionMetadata }) => {
    if (topicErrorCode !== 0) throw new BusError('failed', `the partitions of ${name} are not known`);
    return { name, partitions: partitionMetadata.length };
  });
  return encodeAssignments(topics, decoded);
}
