import { clone } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Topics } from '../../bus/topics.ts';
import type { Caller } from '../../rpc/caller.ts';
import { isInScope } from '../access/scope.ts';
import { loadAnswer } from '../integrations/answer.ts';
import { downlinkRows, goneRows, tombstones } from '../outbox/downlink.ts';
import type { Database } from './database.ts';
import {
  findIntegration,
  insertIntegration,
  removeIntegration,
  replaceIntegration,
  type StoredIntegration,
  type TopicState,
} from './integrations.ts';
import { failJobsOf } from './jobs.ts';
import { insertOutbox, type OutboxRow } from './outbox.ts';
import { recordChange } from './recorded-change.ts';
import { removeBuckets } from './statistics-buckets.ts';
import { dropTopicDeletions, planTopicDeletion } from './topic-deletions.ts';
import { insertDeleted } from './versions.ts';

// Each change of an integration, the downlink records that tell of it and what is kept of who made it: in one transaction, under the row's lock.

/** False when the request id was used before, since `since`: nothing is saved then. */
export function saveNew(
  db: Database,
  topics: Topics,
  by: Caller,
  stored: StoredIntegration,
  requestId: string | undefined,
  since: Date,
): Promise<boolean> {
  return db.transaction(async (queries) => {
    if (!(await insertIntegration(queries, stored, requestId, since))) return false;
    await recordChange(queries, { before: undefined, after: stored }, by);
    await insertOutbox(queries, downlinkRows(topics, stored));
    await dropTopicDeletions(queries, [stored.integration.id]);
    return true;
  });
}

/** The integration cannot be enabled as long as its message topic is not there. */
export class MissingTopicError extends Error {
  override readonly name = 'MissingTopicError';
}

/**
 * Saves what `change` makes of the integration as it is when it is locked; `change` may answer it unchanged, or throw.
 * Answers what is stored then; undefined: there is no such integration, or none that `by` may know of.
 * @throws MissingTopicError it would be enabled without a topic: nothing is saved
 */
export function saveChange(
  db: Database,
  topics: Topics,
  by: Caller,
  id: string,
  change: (stored: StoredIntegration) => StoredIntegration,
): Promise<StoredIntegration | undefined> {
  return db.transaction(async (queries) => {
    const stored = await findIntegration(queries, id, true);
    if (!stored || !isInScope(by, stored.integration)) return undefined;
    const changed = change(stored);
    if (changed === stored) return stored;
    // The topic's state is that of now, not that of when the change was thought of.
    const topicState = changed.integration.enabled ? keptAgain(stored.topicState) : stored.topicState;
    const next = { ...changed, topicState, topicIncarnation: stored.topicIncarnation };
    await replaceIntegration(queries, next);
    await recordChange(queries, { before: stored, after: next }, by);
    await insertOutbox(queries, downlinkRows(topics, next, stored.integration));
    return next;
  });
}

/** A topic that is only withdrawn still has what was in it. */
function keptAgain(state: TopicState): TopicState {
  if (state === 'deleting' || state === 'deleted') throw new MissingTopicError('the topic was deleted');
  return 'kept';
}

/** Deletes the integration unless `check` throws. False: there is no such integration, or none that `by` may know of. */
export function saveDeletion(
  db: Database,
  topics: Topics,
  by: Caller,
  id: string,
  check: (integration: Integration) => void,
): Promise<boolean> {
  return db.transaction(async (queries) => {
    const stored = await findIntegration(queries, id, true);
    if (!stored || !isInScope(by, stored.integration)) return false;
    check(stored.integration);
    await insertDeleted(queries, await loadAnswer(queries, stored));
    await recordChange(queries, { before: stored, after: undefined }, by);
    await removeIntegration(queries, id);
    await removeBuckets(queries, id);
    await failJobsOf(queries, id);
    await insertOutbox(queries, tombstones(topics, stored));
    await planTopicDeletion(queries, id);
    return true;
  });
}

/** More changes than anybody makes of an integration between a backup and its restore. */
const FAR = 1000n;

/**
 * Has an integration, as it is stored, published as a generation of its own that is newer than `newest`, for Kafka has, or had,
 * that: nothing older is listened to any more.
 * @param known the generation that it has; false is answered when it has another one by now, or is not there
 * @param newest undefined: nobody knows how new what others know is
 */
export function publishAsNewer(
  db: Database,
  topics: Topics,
  id: string,
  { known, newest }: { readonly known: bigint; readonly newest: bigint | undefined },
): Promise<boolean> {
  return db.transaction(async (queries) => {
    const stored = await findIntegration(queries, id, true);
    if (stored?.integration.generation !== known) return false;
    const integration = clone(IntegrationSchema, stored.integration);
    integration.generation = newest === undefined ? known + FAR : newest + 1n;
    const next = { ...stored, integration };
    await replaceIntegration(queries, next);
    await insertOutbox(queries, downlinkRows(topics, next));
    return true;
  });
}

/**
 * Has the records of an integration sent once more, if there is one, and that nothing is under the keys of `rows` that it
 * does not have any more: shards that are gone, or all of them.
 */
export function republish(
  db: Database,
  topics: Topics,
  id: string,
  rows: readonly OutboxRow[] = [],
): Promise<void> {
  return db.transaction(async (queries) => {
    const stored = await findIntegration(queries, id, true);
    const records = stored ? downlinkRows(topics, stored) : [];
    const isThere = ({ topic, key }: OutboxRow) =>
      records.some((record) => record.topic === topic && record.key === key);
    const gone = rows
      .filter((row) => !isThere(row))
      .flatMap((row) => goneRows({ ...row, generation: stored?.integration.generation ?? row.generation }));
    await insertOutbox(queries, [...records, ...gone]);
  });
}
