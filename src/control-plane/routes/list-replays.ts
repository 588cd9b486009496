import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type {
  ListReplaysRequest,
  ListReplaysResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { scopeOf } from '../access/scope.ts';
import { type Order, orderOf } from '../order-by.ts';
import { listOf, pageSizeOf, pageToken, positionOf } from '../page.ts';
import { listReplays } from '../store/replays.ts';
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
  const page = { after, limit: size + 1, isOldestFirst: !order.isDescending };
  const found = await listReplays(db, request.integrationId || undefined, page, scopeOf(caller));
  const replays = found.slice(0, size);
  const last = found.length > size ? replays.at(-1) : undefined;
  return {
    replays,
    ...(last && { nextPageToken: pageToken(list, { time: timestampDate(last.createTime!), id: last.id }) }),
  };
}
