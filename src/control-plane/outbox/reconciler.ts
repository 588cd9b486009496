import type { Topics } from '../../bus/topics.ts';
import { Periodic, type PeriodicDeps } from '../periodic.ts';
import { republish } from '../store/changes.ts';
import type { Database } from '../store/database.ts';
import { unpublishedIds } from '../store/outbox.ts';
import type { Relay } from './relay.ts';

const INTERVAL = 60_000;
const BATCH = 100;

interface Deps extends PeriodicDeps {
  readonly db: Database;
  readonly topics: Topics;
}

/** Finds integrations whose newest generation never reached Kafka, whatever the cause, and has it published. */
export function startReconciler(deps: Deps, relay: Relay): Periodic {
  const { db, topics, logger } = deps;
  return new Periodic(
    {
      name: 'reconciling downlink records',
      interval: INTERVAL,
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
