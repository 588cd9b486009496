import { createCluster } from '../kafkajs/cluster.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { NameResolver } from '../runtime/name-resolver.ts';
import type { Bus, FeedOptions } from './bus.ts';
import { Admin } from './kafka/admin.ts';
import { createClient, type KafkaConfig } from './kafka/client.ts';
import { Fetcher } from './kafka/fetcher.ts';
import { GroupMember } from './kafka/group-member.ts';
import { BusProducer } from './kafka/producer.ts';
import { read } from './kafka/reader.ts';

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolver: Pick<NameResolver, 'lookUp'>;
  random(): number;
}

const FETCH_WAIT = 500;

/** The bus on a Kafka cluster, by kafkajs. Connects when it is first used. */
export function createKafkaBus(config: KafkaConfig, deps: Deps): Bus {
  const client = createClient(config, deps);
  const admin = new Admin(client, deps.clock, config);
  const producer = new BusProducer(createCluster(client), deps);
  const offsets = (topic: string) => admin.offsets(topic);
  const newFetcher = () => new Fetcher(client, config.fetchWait ?? FETCH_WAIT, { ...deps, offsets });
  const fetchers = [newFetcher()];
  // A partition that is fed twice, in a process with several roles or for a replay, takes another one.
  const feed = (options: FeedOptions) => {
    const fetcher = fetchers.find((one) => !one.feeds(options)) ?? newFetcher();
    if (!fetchers.includes(fetcher)) fetchers.push(fetcher);
    return fetcher.feed(options);
  };
  return {
    send: (topic, record) => producer.send(topic, record),
    sendCopies: (copies) => producer.sendCopies(copies),
    outgoing: producer.outgoing,
    producerTrouble: () => producer.trouble(),
    createTopics: (topics) => admin.createTopics(topics),
    keepReplicas: (names) => admin.keepReplicas(names),
    keepBounds: (names, bounds) => admin.keepBounds(names, bounds),
    keepRetention: (names, retention) => admin.keepRetention(names, retention),
    deleteTopics: (names) => admin.deleteTopics(names),
    listTopics: () => admin.listTopics(),
    offsets,
    offsetsOfTopics: (topics) => admin.offsetsOfTopics(topics),
    partitions: (topic) => fetchers[0]!.partitions(topic),
    onGrown: (topic, known, grown) => fetchers[0]!.onGrown(topic, known, grown),
    offsetsAt: (topic, time) => admin.offsetsAt(topic, time),
    deleteRecords: (topic, before) => admin.deleteRecords(topic, before),
    committed: (groupId, topic) => admin.committed(groupId, topic),
    join: (options) => new GroupMember(client, options, deps),
    feed,
    read: (options) => read({ feed, offsets }, options, deps.clock),
    async [Symbol.asyncDispose]() {
      await Promise.all([producer, ...fetchers].map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
