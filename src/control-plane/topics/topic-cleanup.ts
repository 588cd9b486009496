import { Periodic, type PeriodicDeps } from '../periodic.ts';
import { dueTopicIds, longDisabledIds, withdrawTopic } from '../store/message-topics.ts';
import { deleteTopic, lockTopic, type MessageTopicDeps } from './message-topic.ts';

const BATCH = 100;
const SWEEP_INTERVAL = 5000;
const SWEEP_BATCH = 20;

export interface TopicCleanupDeps extends PeriodicDeps, MessageTopicDeps {
  /** How often to look for integrations that are disabled for long, in milliseconds. */
  readonly cleanupPeriod: number;
  /** How long is long, in milliseconds; 0 or less: they keep their topics for ever. */
  readonly cleanupTtl: number;
  readonly wakeRelay: () => void;
}

/** Withdraws the message topics of integrations that are disabled for long: they are deleted when ingress knows. */
export function startTopicCleanup(deps: TopicCleanupDeps): Periodic {
  return new Periodic(
    {
      name: 'looking for integrations that are disabled for long',
      interval: deps.cleanupPeriod,
      work: (signal) => withdrawTopics(deps, signal),
    },
    deps,
  );
}

/** Deletes the topics that are withdrawn, when they are due. */
export function startWithdrawnSweep(deps: TopicCleanupDeps): Periodic {
  return new Periodic(
    {
      name: 'deleting the topics of integrations that are disabled for long',
      interval: SWEEP_INTERVAL,
      work: (signal) => deleteWithdrawn(deps, signal),
    },
    deps,
  );
}

/** Answers whether there is more. */
export async function withdrawTopics(deps: TopicCleanupDeps, signal: AbortSignal): Promise<boolean> {
  const { db, topics, locks, cleanupTtl, wakeRelay } = deps;
  if (cleanupTtl <= 0) return false;
  await using lock = await locks.tryLock('cleanup of topics');
  if (!lock) return false; // another node is at it
  const ids = await longDisabledIds(db, cleanupTtl, BATCH);
  for (const id of ids) {
    signal.throwIfAborted();
    await lock.prove();
    await withdrawTopic(db, topics, id, cleanupTtl);
  }
  if (ids.length > 0) wakeRelay();
  return ids.length === BATCH;
}

/** Answers whether there is more. One that fails does not hold up the others. */
export async function deleteWithdrawn(deps: TopicCleanupDeps, signal: AbortSignal): Promise<boolean> {
  const ids = await dueTopicIds(deps.db, SWEEP_BATCH);
  let failure: unknown;
  for (const id of ids) {
    signal.throwIfAborted();
    try {
      await using lock = await lockTopic(deps, id);
      if (lock) await deleteTopic(deps, id, lock);
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return ids.length === SWEEP_BATCH;
}
