import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Bus } from './bus.ts';
import { Admin } from './kafka/admin.ts';
import { BRIEFLY, createClient, FOR_EVER, type KafkaConfig } from './kafka/client.ts';
import { consume } from './kafka/consumer.ts';
import { follow } from './kafka/follower.ts';
import { BatchingProducer } from './kafka/producer.ts';
import { read } from './kafka/reader.ts';

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  random(): number;
}

/** The bus on a Kafka cluster, by kafkajs. Connects when it is first used. */
export function createKafkaBus(config: KafkaConfig, deps: Deps): Bus {
  const brief = createClient(config, BRIEFLY, deps.logger);
  const lasting = createClient(config, FOR_EVER, deps.logger);
  const admin = new Admin(brief, deps.clock, config.replication);
  const producer = new BatchingProducer(brief, deps);
  return {
    send: (topic, record) => producer.send(topic, record),
    createTopics: (topics) => admin.createTopics(topics),
    deleteTopics: (names) => admin.deleteTopics(names),
    listTopics: () => admin.listTopics(),
    offsets: (topic) => admin.offsets(topic),
    offsetsAt: (topic, time) => admin.offsetsAt(topic, time),
    deleteRecords: (topic, before) => admin.deleteRecords(topic, before),
    committed: (groupId, topic) => admin.committed(groupId, topic),
    listGroups: (prefix) => admin.listGroups(prefix),
    deleteGroups: (groupIds) => admin.deleteGroups(groupIds),
    consume: (options) => consume(lasting, options, deps),
    follow: (options) => follow(lasting, admin, options, deps),
    read: (options) => read(brief, admin, options, deps),
    [Symbol.asyncDispose]: () => producer[Symbol.asyncDispose](),
  };
}
