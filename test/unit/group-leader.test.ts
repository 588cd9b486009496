import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignAsLeader } from '../../src/bus/kafka/group-leader.ts';
import { decodeAssignment, encodeSubscription } from '../../src/bus/kafka/group-protocol.ts';
import type { Cluster } from '../../src/kafkajs/cluster.ts';
import { learnNodes, type TopicMetadata } from '../../src/kafkajs/metadata.ts';

const LEADER_NOT_AVAILABLE = 5;
const UNKNOWN_TOPIC = 3;

/** Two partitions, of which so many have no leader. */
function topic(name: string, leaderless = 0, topicErrorCode = 0): TopicMetadata {
  const partitionMetadata = [0, 1].map((partitionId) => {
    const isLost = partitionId < leaderless;
    return {
      partitionId,
      leader: isLost ? -1 : 1,
      replicas: [1],
      partitionErrorCode: isLost ? LEADER_NOT_AVAILABLE : 0,
    };
  });
  return { topic: name, topicErrorCode, partitionMetadata };
}

/** A cluster that knows these topics. */
function cluster(topicMetadata: readonly TopicMetadata[]) {
  const connection = { send: async () => ({ topicMetadata }) };
  const broker = {
    connectionPool: { getConnection: async () => connection },
    lookupRequest: () => () => ({ request: {}, response: {} }),
  };
  const learned: string[] = [];
  const fake = {
    brokerPool: { findConnectedBroker: async () => broker },
    targetTopics: new Set(),
    addMultipleTargetTopics: async (topics: readonly string[]) => learned.push(...topics),
  };
  return Object.assign(fake as unknown as Cluster, { learned });
}

const members = [
  {
    memberId: 'm',
    memberMetadata: encodeSubscription({ topics: ['a', 'b'], memberId: '', claims: [] }),
  },
];

test('a partition without a leader is assigned with the others', async () => {
  const [one] = await assignAsLeader(cluster([topic('a', 1), topic('b')]), members);
  assert.deepEqual(decodeAssignment(one!.memberAssignment).toSorted(), ['a/0', 'a/1', 'b/0', 'b/1']);
});

test('nothing is assigned while a topic is not known', async () => {
  const unknown = cluster([topic('a', 0, UNKNOWN_TOPIC), topic('b')]);
  await assert.rejects(assignAsLeader(unknown, members), /the partitions of a are not known/);
});

test('the nodes are learned with a topic that is in no trouble', async () => {
  const one = cluster([topic('a', 1), topic('b', 0, UNKNOWN_TOPIC), topic('c')]);
  await learnNodes(one, ['a', 'b', 'c']);
  assert.deepEqual(one.learned, ['c']);
  await assert.rejects(learnNodes(cluster([topic('a', 1)]), ['a']), /no topic of a has a leader/);
});
