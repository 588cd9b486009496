import type { Bus } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { untilAborted } from '../runtime/until-aborted.ts';
import { withPublishedTime } from './downlink.ts';
import { Periodic } from './periodic.ts';
import { republish } from './store/changes.ts';
import type { Database } from './store/database.ts';
import type { Leadership } from './store/leadership.ts';
import { type PendingRow, pendingRows, removePublished, unpublishedIds } from './store/outbox.ts';
import { Takeover } from './takeover.ts';

const POLL_INTERVAL = 1000;
const RECONCILE_INTERVAL = 60_000;
const BATCH = 100;

export interface RelayDeps {
  readonly db: Database;
  readonly leadership: Leadership;
  readonly bus: Pick<Bus, 'send'>;
  readonly topics: Topics;
  /** From the acknowledged tombstones to the deletion of the topics, in milliseconds. */
  readonly topicDeletionDelay: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Publishes downlink records from the outbox. `wake()` after a commit; other nodes' commits are found by polling. */
export function startRelay(deps: RelayDeps): Periodic {
  const takeover = new Takeover();
  return new Periodic(
    {
      name: 'publishing downlink records',
      interval: POLL_INTERVAL,
      work: (signal) => publishPending({ ...deps, takeover }, signal),
    },
    deps,
  );
}

/** Finds integrations whose newest generation never reached Kafka, whatever the cause, and has it published. */
export function startReconciler(deps: Omit<RelayDeps, 'bus' | 'leadership'>, relay: Periodic): Periodic {
  const { db, topics, logger } = deps;
  return new Periodic(
    {
      name: 'reconciling downlink records',
      interval: RECONCILE_INTERVAL,
      async work() {
        const ids = await unpublishedIds(db, BATCH);
        for (const id of ids) await republish(db, topics, id);
        if (ids.length === 0) return false;
        logger.warn('publishing integrations again that Kafka did not have', { count: ids.length });
        relay.wake();
        return ids.length === BATCH;
      },
    },
    deps,
  );
}

/** Answers whether there is more. Rejects when some were not published, after taking note of those that were. */
export async function publishPending(
  deps: RelayDeps & { readonly takeover: Takeover },
  signal: AbortSignal,
): Promise<boolean> {
  const { db, leadership, bus, topics, clock, topicDeletionDelay, takeover } = deps;
  for (const [id, early] of [...takeover.due(clock.monotonic())].slice(0, BATCH)) {
    await republish(db, topics, id, early);
    takeover.forget(early);
  }
  const rows = await leadership.run((queries) => pendingRows(queries, BATCH));
  if (rows === undefined || rows.length === 0) return false;
  const { term } = leadership;

  // Calls keep their order for each key, so all may be under way at once.
  const sends = rows.map(({ topic, key, value }) =>
    bus.send(topic, { key, value: value && withPublishedTime(value, clock.now()) }),
  );
  const results = await untilAborted(Promise.allSettled(sends), signal);
  const published = acknowledgedPrefix(rows, (index) => results[index]?.status === 'fulfilled');
  if (published.length > 0) {
    takeover.note(published, term, clock.monotonic());
    const alreadyGone = await db.transaction((queries) =>
      removePublished(queries, published, topicDeletionDelay),
    );
    // Another node took over in between, and may have published newer records before these: the newest must be last.
    const byId = Map.groupBy(alreadyGone, ({ integrationId }) => integrationId);
    for (const [id, gone] of byId) await republish(db, topics, id, gone);
  }
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
  return rows.length === BATCH;
}

/** Of each integration, the rows before its first that Kafka did not take. */
export function acknowledgedPrefix(
  rows: readonly PendingRow[],
  isAcknowledged: (index: number) => boolean,
): PendingRow[] {
  const stuck = new Set<string>();
  return rows.filter(({ integrationId }, index) => {
    if (!isAcknowledged(index)) stuck.add(integrationId);
    return !stuck.has(integrationId);
  });
}
