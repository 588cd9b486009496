import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type {
  ListReplaysRequest,
  ListReplaysResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { areInScope, scopeOf } from '../access/scope.ts';
import { type Order, orderOf } from '../order-by.ts';
import { listOf, pageSizeOf, pageToken, positionOf } from '../page.ts';
import type { Queries } from '../store/database.ts';
import { listReplays, type ReplayPage } from '../store/replays.ts';
import { listScopedReplays } from '../store/scoped-replays.ts';
import type { RouteDeps } from './deps.ts';

const NEWEST_FIRST: Order<'create_time'> = { by: 'create_time', isDescending: true };

export async function listReplaysRoute(
  { db }: RouteDeps,
  request: ListReplaysRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof ListReplaysResponseSchema>> {
  const order = orderOf(request.orderBy, ['create_time'], NEWEST_FIRST);
  const list = listOf(request, order, caller.scope);
  const after = positionOf(list, request.pageToken);
  const size = pageSizeOf(request.pageSize);
  const page = { after, limit: size, isOldestFirst: !order.isDescending };
  const integrationId = request.integrationId || undefined;
  const scope = scopeOf(caller);
  // As of one that is not known: no replays, and no next page.
  if (integrationId && !(await areInScope(db, caller, [integrationId]))) return { replays: [] };
  const { replays, next } = scope
    ? await listScopedReplays(db, integrationId, scope, page)
    : await allReplays(db, integrationId, page);
  return { replays: [...replays], ...(next && { nextPageToken: pageToken(list, next) }) };
}

async function allReplays(db: Queries, integrationId: string | undefined, { limit, ...page }: ReplayPage) {
  const found = await listReplays(db, integrationId, { ...page, limit: limit + 1 });
  const replays = found.slice(0, limit);
  const last = found.length > limit ? replays.at(-1) : undefined;
  return { replays, next: last && { time: timestampDate(last.createTime!), id: last.id } };
}
