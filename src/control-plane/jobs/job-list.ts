import type { Caller } from '../../rpc/caller.ts';
import { areInScope, scopeOf } from '../access/scope.ts';
import { type Order, orderOf } from '../order-by.ts';
import { type ListRequest, listOf, pageSizeOf, pageToken, positionOf } from '../page.ts';
import type { Queries } from '../store/database.ts';
import type { JobKind, JobRow } from '../store/jobs.ts';
import { type JobPage, listJobs, listScopedJobs } from '../store/listed-jobs.ts';

const NEWEST_FIRST: Order<'create_time'> = { by: 'create_time', isDescending: true };

type Request = ListRequest & { readonly integrationId: string; readonly orderBy: string };

/** A page of the jobs of a kind that a caller may know of. */
export async function jobList(
  db: Queries,
  caller: Caller,
  kind: JobKind,
  request: Request,
): Promise<{ readonly rows: readonly JobRow[]; readonly nextPageToken: string }> {
  const order = orderOf(request.orderBy, ['create_time'], NEWEST_FIRST);
  const list = listOf(request, order, caller.scope);
  const integrationId = request.integrationId || undefined;
  const page = {
    kind,
    integrationId,
    after: positionOf(list, request.pageToken),
    limit: pageSizeOf(request.pageSize),
    isOldestFirst: !order.isDescending,
  };
  const scope = scopeOf(caller);
  // As of one that is not known: no jobs, and no next page.
  if (integrationId && !(await areInScope(db, caller, [integrationId])))
    return { rows: [], nextPageToken: '' };
  const { rows, next } = scope ? await listScopedJobs(db, scope, page) : await allJobs(db, page);
  return { rows, nextPageToken: next ? pageToken(list, next) : '' };
}

async function allJobs(db: Queries, { limit, ...page }: JobPage) {
  const found = await listJobs(db, { ...page, limit: limit + 1 });
  const rows = found.slice(0, limit);
  const last = found.length > limit ? rows.at(-1) : undefined;
  return { rows, next: last && { time: last.create_time, id: last.id } };
}
