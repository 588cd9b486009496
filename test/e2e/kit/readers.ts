import kafkajs from 'kafkajs';
import { ownerOf } from '../../../src/executor/delivery/share.ts';
import type { Installation } from '../../helpers/roles.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

/** A part that just moved is taken over by then; partitions that a topic was just given are. Milliseconds. */
const PATIENCE = 60_000;

/** Waits until every partition of the message topics of these integrations, as Kafka has them, has a reader that lives. */
export async function everyPartitionIsRead(
  { brokers, topics }: Pick<Installation, 'brokers' | 'topics'>,
  integrationIds: Iterable<string>,
): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const names = [...integrationIds].map((id) => topics.messages(id).name);
  let unread: readonly string[] = [];
  const isAllRead = async () => {
    const { groups } = await admin.describeGroups([topics.executors]);
    const members = new Set(groups.flatMap((group) => group.members.map(({ memberId }) => memberId)));
    const metadata = await admin.fetchTopicMetadata({ topics: names });
    const offsets = await admin.fetchOffsets({ groupId: topics.executors, topics: names });
    const isRead = (name: string, partition: number) => {
      const ofTopic = offsets.find(({ topic }) => topic === name);
      const tag = ofTopic?.partitions.find((one) => one.partition === partition)?.metadata;
      return members.has(ownerOf(tag ?? '').member ?? '');
    };
    unread = metadata.topics.flatMap(({ name, partitions }) =>
      partitions
        .filter(({ partitionId }) => !isRead(name, partitionId))
        .map((one) => `${name}/${one.partitionId}`),
    );
    return unread.length === 0;
  };
  try {
    await waitUntil('every partition is read', isAllRead, PATIENCE);
  } catch (error) {
    throw new Error(`nobody reads ${unread.join(', ')}`, { cause: error });
  } finally {
    await admin.disconnect();
  }
}
