import type { Bus } from '../../bus/bus.ts';
import { shardsOf } from '../outbox/downlink.ts';
import { Periodic, type PeriodicDeps } from '../periodic.ts';
import { findIntegration } from '../store/integrations.ts';
import { idsWithTopics } from '../store/message-topics.ts';
import { loadCluster } from '../store/nodes.ts';
import { knownIds, planTopicDeletion } from '../store/topic-deletions.ts';
import { lockTopic, type MessageTopicDeps } from './message-topic.ts';
import { integrationIdsIn, notificationsOfTheDead, Suspects } from './orphan-names.ts';

export interface OrphanDeps extends PeriodicDeps, MessageTopicDeps {
  readonly bus: Pick<Bus, 'createTopics' | 'deleteTopics' | 'offsets' | 'committed' | 'listTopics' | 'read'>;
  /** How long what seems to belong to nobody is left alone, in milliseconds. */
  readonly orphanDelay: number;
  readonly serviceId: string;
}

/** Held while a notification topic is deleted, and while its node comes up. */
export const notificationsLock = (topic: string): string => `node of ${topic}`;

/** Looks, now and then, for topics that belong to nobody, and for topics that are missing. */
export function startOrphanSweep(deps: OrphanDeps): Periodic {
  const look = orphanSweep(deps);
  const name = 'looking for topics that belong to nobody';
  return new Periodic({ name, interval: deps.orphanDelay / 2, work: look }, deps);
}

/**
 * One look after the other, by one node at a time; each node looks after its own topic. What is found is deleted at a later
 * look, if it is still like that.
 */
export function orphanSweep(deps: OrphanDeps): (signal: AbortSignal) => Promise<false> {
  const { db, bus, topics, locks, clock, orphanDelay } = deps;
  const [integrations, nodes] = [new Suspects(orphanDelay), new Suspects(orphanDelay)];
  return async (signal) => {
    await keepOwnTopic(deps);
    signal.throwIfAborted();
    await using lock = await locks.tryLock('looking for orphans');
    if (!lock) return false;
    // In this order: a topic is made before its integration is stored, and after its deletion is planned.
    const withTopics = await idsWithTopics(db);
    const names = await bus.listTopics();
    const ids = integrationIdsIn(topics, names);
    const known = await knownIds(db, [...ids]);
    const now = clock.monotonic();
    const unknown = [...ids].filter((id) => !known.has(id));
    await planDeletions(deps, integrations.confirmed(unknown, now), signal);

    const dead = nodes.confirmed(await deadAmong(deps, names), now);
    for (const name of dead) {
      signal.throwIfAborted();
      await deleteNotifications(deps, name);
    }

    const there = new Set(names);
    for (const id of withTopics.filter((one) => !there.has(topics.messages(one).name))) {
      signal.throwIfAborted();
      await makeMissing(deps, id);
    }
    return false;
  };
}

/** Others take this node for dead when it was cut off for long, and delete the topic on which it is answered. */
async function keepOwnTopic({ bus, topics, serviceId, logger }: OrphanDeps): Promise<void> {
  const own = topics.notifications(serviceId);
  if ((await bus.listTopics()).includes(own.name)) return;
  logger.warn('the notification topic of this node was gone: making it anew', { topic: own.name });
  await bus.createTopics([own]);
}

/** Has the topics of integrations deleted that PostgreSQL does not know, unless Kafka does. */
async function planDeletions(deps: OrphanDeps, ids: readonly string[], signal: AbortSignal): Promise<void> {
  if (ids.length === 0) return;
  const { db, logger } = deps;
  const wanted = await wantedIds(deps, signal);
  for (const id of ids) {
    if (wanted.has(id)) {
      // Of another database, or of one that was set back: its executors still run it.
      const text = 'an integration is on Kafka, but not in PostgreSQL: is it the right database?';
      logger.error(text, { integration: id });
    } else {
      logger.warn('deleting the topics of an integration that is not there', { integration: id });
      await planTopicDeletion(db, id, 0);
    }
  }
}

/** Every integration that has a downlink record, of whatever type. */
async function wantedIds({ bus, topics }: OrphanDeps, signal: AbortSignal): Promise<Set<string>> {
  const wanted = new Set<string>();
  const names = await bus.listTopics();
  for (const topic of names.filter((name) => name.startsWith(topics.downlink('').name))) {
    await bus.read({
      topic,
      ranges: await bus.offsets(topic),
      isCompacted: true,
      signal,
      async eachBatch(records) {
        for (const { key, value } of records) {
          if (value === null) wanted.delete(`${key}`);
          else wanted.add(`${key}`);
        }
      },
    });
  }
  return new Set([...wanted].map((key) => key.split('/', 1)[0] ?? ''));
}

/** While this node's own reports do not come, nothing is known of the others. */
async function deadAmong({ db, topics, serviceId }: OrphanDeps, names: readonly string[]): Promise<string[]> {
  const cluster = await loadCluster(db);
  return cluster.get(serviceId)?.isLiving ? notificationsOfTheDead(topics, names, cluster) : [];
}

async function deleteNotifications(deps: OrphanDeps, name: string): Promise<void> {
  const { bus, locks, logger } = deps;
  await using lock = await locks.tryLock(notificationsLock(name));
  if (!lock) return; // its node is coming up
  if ((await deadAmong(deps, [name])).length === 0) return;
  logger.info('deleting the notification topic of a node that is gone', { topic: name });
  await bus.deleteTopics([name]);
}

/** Without its topic, no message that it wants could be taken in, for itself or for any other integration. */
async function makeMissing(deps: OrphanDeps, id: string): Promise<void> {
  const { db, bus, topics, logger } = deps;
  await using lock = await lockTopic(deps, id);
  const stored = lock && (await findIntegration(db, id));
  if (stored?.topicState !== 'kept') return;
  logger.error('a message topic was gone, with what was in it: making it anew', { integration: id });
  await bus.createTopics([topics.messages(id, shardsOf(stored.integration))]);
}
