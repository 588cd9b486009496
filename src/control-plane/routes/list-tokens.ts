import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type {
  ListTokensRequest,
  ListTokensResponseSchema,
} from '../../../gen/penstock/v1/token_service_pb.ts';
import { listOf, pageSizeOf, pageToken, positionOf } from '../page.ts';
import { listTokens } from '../store/tokens.ts';
import type { RouteDeps } from './deps.ts';

export async function listTokensRoute(
  { db }: RouteDeps,
  request: ListTokensRequest,
): Promise<MessageInitShape<typeof ListTokensResponseSchema>> {
  const list = listOf(request);
  const size = pageSizeOf(request.pageSize);
  const found = await listTokens(db, { before: positionOf(list, request.pageToken), limit: size + 1 });
  const tokens = found.slice(0, size);
  const last = found.length > size ? tokens.at(-1) : undefined;
  return {
    tokens,
    ...(last && { nextPageToken: pageToken(list, { time: timestampDate(last.createTime!), id: last.id }) }),
  };
}
