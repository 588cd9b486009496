import type { Caller } from '../../rpc/caller.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { integrationDifferences } from '../audit/integration-differences.ts';
import { type Change, revisionOf } from '../integrations/revision-of.ts';
import type { Queries } from './database.ts';
import { insertRevision } from './revisions.ts';

/** Keeps what is told later of a change that somebody made, in its transaction: there is none without the other. */
export async function recordChange(queries: Queries, change: Change, by: Caller): Promise<void> {
  await insertRevision(queries, revisionOf(change, by.name));
  const { id } = (change.after ?? change.before)!.integration;
  await trailOf(by)?.changed(queries, `integrations/${id}`, integrationDifferences(change));
}
