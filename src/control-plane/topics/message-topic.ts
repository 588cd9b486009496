import { toBinary } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { EventKind } from '../../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction, UplinkRecordSchema } from '../../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { uplinkRecord } from '../../bus/uplink-record.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { shardsOf } from '../outbox/downlink.ts';
import type { Database } from '../store/database.ts';
import { findIntegration } from '../store/integrations.ts';
import type { Lock, Locks } from '../store/locks.ts';
import { beginTopicDeletion, endTopicDeletion, takeBackTopic } from '../store/message-topics.ts';
import { insertEvents } from '../store/reports.ts';
import { undeliveredMessages } from './undelivered.ts';

export interface MessageTopicDeps {
  readonly db: Database;
  readonly bus: Pick<Bus, 'createTopics' | 'deleteTopics' | 'offsets' | 'committed'>;
  readonly topics: Topics;
  readonly locks: Pick<Locks, 'tryLock'>;
  /** Of this control-plane node. */
  readonly serviceId: string;
  /** How long ingress may take to hear of a withdrawn topic, in milliseconds. */
  readonly topicDeletionDelay: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Held while an integration's message topic is deleted or made anew, by one node at a time. Undefined: another has it. */
export const lockTopic = ({ locks }: MessageTopicDeps, id: string): Promise<Lock | undefined> =>
  locks.tryLock(`message topic of ${id}`);

/**
 * Deletes the topic of an integration that is withdrawn and due, with the topic's lock. Whoever comes after a node that
 * died in here begins again: only the first has found the messages, and has noted how many there were.
 */
export async function deleteTopic(deps: MessageTopicDeps, id: string, lock: Lock): Promise<void> {
  const { db, bus, topics, logger } = deps;
  const messages = await beginTopicDeletion(db, id, await undeliveredMessages(deps, id));
  if (messages === undefined) return; // enabled, or deleted, meanwhile
  await lock.prove();
  await bus.deleteTopics([topics.messages(id).name]);
  const isTold = await db.transaction(async (queries) => {
    const stored = await findIntegration(queries, id, true);
    if (!stored || !(await endTopicDeletion(queries, id))) return false;
    await insertEvents(queries, [eventOf(deps, id, stored.integration.generation, messages)]);
    return true;
  });
  if (isTold) {
    const figures = { integration: id, messages: String(messages) };
    logger.warn('deleted the message topic of an integration that is disabled for long', figures);
  }
}

/** Makes the topic of an integration anew that was deleted, or is half deleted, with the topic's lock. */
export async function makeTopicAnew(
  deps: MessageTopicDeps,
  id: string,
  partitions: number,
  lock: Lock,
): Promise<void> {
  const { db, bus, topics, topicDeletionDelay } = deps;
  const before = await findIntegration(db, id);
  if (before?.topicState === 'deleting') await deleteTopic(deps, id, lock); // of a node that died
  for (let there = partitions; ; ) {
    if ((await findIntegration(db, id))?.topicState !== 'deleted') return;
    await lock.prove();
    await bus.createTopics([topics.messages(id, there)]);
    const needed = await db.transaction(async (queries) => {
      const stored = await findIntegration(queries, id, true);
      const shards = stored ? shardsOf(stored.integration) : 0;
      if (shards <= there) await takeBackTopic(queries, id, topicDeletionDelay);
      return shards;
    });
    if (needed <= there) return;
    there = needed; // it was spread over more executors meanwhile
  }
}

/**
 * Gives the topic partitions that it does not have, with its lock: the order of keys that move begins anew. One that was
 * deleted is left alone: it is made with as many when it is needed. Answers whether it is there, with as many.
 */
export async function growTopic(
  { db, bus, topics, metrics, logger }: MessageTopicDeps & { readonly metrics: Pick<Metrics, 'topicsGrown'> },
  id: string,
  partitions: number,
  lock: Lock,
): Promise<boolean> {
  const state = (await findIntegration(db, id))?.topicState;
  if (state !== 'kept' && state !== 'withdrawn') return false;
  const topic = topics.messages(id, partitions);
  const before = (await bus.offsets(topic.name)).size;
  if (before >= partitions) return true;
  await lock.prove();
  await bus.createTopics([topic]);
  metrics.topicsGrown.inc();
  const figures = { integration: id, before, partitions };
  logger.warn('a message topic was given partitions: the order of keys that move begins anew', figures);
  return true;
}

function eventOf(deps: MessageTopicDeps, integrationId: string, generation: bigint, messages: bigint) {
  const value = {
    action: LifecycleAction.TOPIC_DELETED,
    success: true,
    state: IntegrationState.DISABLED,
    reason: `disabled for long: its message topic was deleted, with ${messages} messages; it receives again when it is enabled`,
    deletedMessages: messages,
  };
  const report = { case: 'lifecycle', value } as const;
  const record = uplinkRecord(deps.serviceId, deps.clock, { integrationId, generation, report });
  return {
    id: record.eventId,
    integrationId,
    kind: EventKind.LIFECYCLE,
    time: timestampDate(record.time!),
    record: toBinary(UplinkRecordSchema, record),
  };
}
