import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type {
  ListReplaysRequest,
  ListReplaysResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import { pageSizeOf, pageToken, positionOf } from '../page.ts';
import { listReplays } from '../store/replays.ts';
import type { RouteDeps } from './deps.ts';

export async function listReplaysRoute(
  { db }: RouteDeps,
  request: ListReplaysRequest,
): Promise<MessageInitShape<typeof ListReplaysResponseSchema>> {
  const size = pageSizeOf(request.pageSize);
  const page = { before: positionOf(request.pageToken), limit: size + 1 };
  const found = await listReplays(db, request.integrationId || undefined, page);
  const replays = found.slice(0, size);
  const last = found.length > size ? replays.at(-1) : undefined;
  return {
    replays,
    ...(last && { nextPageToken: pageToken({ time: timestampDate(last.createTime!), id: last.id }) }),
  };
}
