import type { Bus } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';
import { Periodic, type PeriodicDeps } from './periodic.ts';
import type { Database } from './store/database.ts';
import { countNodes } from './store/integration-states.ts';
import { deleteOldJobs } from './store/jobs.ts';
import { foldCounts } from './store/listed-counts.ts';
import { forgetNodes, forgetStatistics } from './store/nodes.ts';
import { deleteOldRevisions } from './store/revisions.ts';
import { deleteOutsideParts, keepParts } from './store/time-partitions.ts';
import { deleteEndedTokens } from './store/tokens.ts';
import { dropTopicDeletions, dueTopicDeletions } from './store/topic-deletions.ts';
import { forgetDeleted } from './store/versions.ts';

const SWEEP_INTERVAL = 5000;
const SWEEP_BATCH = 20;
const STATES_INTERVAL = 5000;
const EVENTS_INTERVAL = 60_000;
const EVENTS_BATCH = 1000;
/** How long a node that is gone is remembered, so that the status can name it. */
const NODE_TTL = 3 * 86_400_000;
const TOKENS_INTERVAL = 3_600_000;
/** How long a token that has ended is listed. */
const TOKEN_TTL = 90 * 86_400_000;
/** Longer than a watch may go without asking, and than a record of a node that hung may be on its way. */
const DELETION_TTL = 24 * 3_600_000;

interface SweepDeps extends PeriodicDeps {
  readonly db: Database;
  readonly bus: Pick<Bus, 'deleteTopics'>;
  readonly topics: Topics;
}

/** Deletes the topics of deleted integrations, when they are due, until Kafka has done it. */
export function startTopicSweep(deps: SweepDeps): Periodic {
  const { db, bus, topics, logger } = deps;
  return new Periodic(
    {
      name: 'deleting the topics of deleted integrations',
      interval: SWEEP_INTERVAL,
      async work() {
        const ids = await dueTopicDeletions(db, SWEEP_BATCH);
        if (ids.length === 0) return false;
        await bus.deleteTopics(ids.flatMap((id) => [topics.messages(id).name, topics.deadLetters(id).name]));
        await dropTopicDeletions(db, ids); // Kafka forgets the offsets with the topics
        logger.info('deleted the topics of deleted integrations', { integrations: ids.join() });
        return ids.length === SWEEP_BATCH;
      },
    },
    deps,
  );
}

/** Keeps the events of the last `eventsTtl` milliseconds. */
export function startEventCleanup(deps: PeriodicDeps & { db: Database; eventsTtl: number }): Periodic {
  return keepingParts('events', 'events', deps.eventsTtl, deps);
}

/** Keeps the audit records of the last `auditTtl` milliseconds. */
export function startAuditCleanup(deps: PeriodicDeps & { db: Database; auditTtl: number }): Periodic {
  return keepingParts('audit_records', 'audit records', deps.auditTtl, deps);
}

/**
 * Keeps the parts of a table: those to come, and none in which all are older than `ttl` milliseconds.
 * @param rows what it holds, for log lines
 * @param deleteOld deletes old ones that are in no such part
 */
function keepingParts(
  table: string,
  rows: string,
  ttl: number,
  deps: PeriodicDeps & { db: Database },
): Periodic {
  const { db, logger } = deps;
  return new Periodic(
    {
      name: `deleting old ${rows}`,
      interval: EVENTS_INTERVAL,
      async work() {
        const { made, dropped, busy } = await keepParts(db, table, ttl);
        if (made.length > 0) logger.info(`made parts of the ${rows}`, { made: made.join() });
        if (dropped.length > 0) logger.info(`dropped parts of the ${rows}`, { dropped: dropped.join() });
        if (busy) logger.info(`a part of the ${rows} is in use: it is dropped later`, { part: busy });
        return (await deleteOutsideParts(db, table, ttl, EVENTS_BATCH)) === EVENTS_BATCH;
      },
    },
    deps,
  );
}

/** Deletes replays and redrives that ended longer ago than `eventsTtl` milliseconds. */
export function startJobCleanup(deps: PeriodicDeps & { db: Database; eventsTtl: number }): Periodic {
  return new Periodic(
    {
      name: 'deleting old replays and redrives',
      interval: EVENTS_INTERVAL,
      work: async () => (await deleteOldJobs(deps.db, deps.eventsTtl, EVENTS_BATCH)) === EVENTS_BATCH,
    },
    deps,
  );
}

/** Deletes API tokens that ended 90 days ago. */
export function startTokenCleanup(deps: PeriodicDeps & { db: Database }): Periodic {
  return new Periodic(
    {
      name: 'deleting API tokens that ended long ago',
      interval: TOKENS_INTERVAL,
      work: async () => (await deleteEndedTokens(deps.db, TOKEN_TTL, EVENTS_BATCH)) === EVENTS_BATCH,
    },
    deps,
  );
}

/** Deletes the revisions of integrations that were deleted longer ago than `eventsTtl` milliseconds. */
export function startRevisionCleanup(deps: PeriodicDeps & { db: Database; eventsTtl: number }): Periodic {
  return new Periodic(
    {
      name: 'deleting the revisions of deleted integrations',
      interval: EVENTS_INTERVAL,
      work: async () => (await deleteOldRevisions(deps.db, deps.eventsTtl, EVENTS_BATCH)) === EVENTS_BATCH,
    },
    deps,
  );
}

/** Computes the states that lists filter by, as nodes come and go, so that hardly a list has to. */
export function startStateCounting(deps: PeriodicDeps & { db: Database }): Periodic {
  return new Periodic(
    {
      name: 'computing the states that lists filter by',
      interval: STATES_INTERVAL,
      async work() {
        await countNodes(deps.db);
        return false;
      },
    },
    deps,
  );
}

/** Forgets nodes that have been gone for days, and deletions that nobody who watches has not been told. */
export function startNodeCleanup(deps: PeriodicDeps & { db: Database }): Periodic {
  return new Periodic(
    {
      name: 'forgetting nodes and integrations that are gone',
      interval: EVENTS_INTERVAL,
      async work() {
        await forgetNodes(deps.db, NODE_TTL);
        await forgetStatistics(deps.db);
        await forgetDeleted(deps.db, DELETION_TTL);
        await foldCounts(deps.db);
        return false;
      },
    },
    deps,
  );
}
