import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ListFiguresRequest,
  ListFiguresResponseSchema,
} from '../../../gen/penstock/v1/statistics_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { scopeOf } from '../access/scope.ts';
import { figuresNow } from '../figures/figures-now.ts';
import { idOf, idToken, listOf, pageSizeOf } from '../page.ts';
import { deadLetterCountsOf } from '../store/dead-letter-counts.ts';
import { idsFrom, shardFiguresOf } from '../store/shard-figures.ts';
import type { RouteDeps } from './deps.ts';

export async function listFigures(
  { db, clock, recentCluster }: RouteDeps,
  request: ListFiguresRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof ListFiguresResponseSchema>> {
  const list = listOf(request, undefined, caller.scope);
  const size = pageSizeOf(request.pageSize);
  const page = { after: idOf(list, request.pageToken), limit: size + 1 };
  const found = await idsFrom(db, request.integrationIds, scopeOf(caller), page);
  const ids = found.slice(0, size);
  const told = Map.groupBy(await shardFiguresOf(db, ids), ({ integrationId }) => integrationId);
  const deadLetters = await deadLetterCountsOf(db, ids);
  const cluster = await recentCluster.get();
  const now = clock.now();
  const last = found.length > size ? ids.at(-1) : undefined;
  return {
    figures: ids.map((id) => ({
      ...figuresNow(id, told.get(id) ?? [], cluster, now),
      deadLetters: BigInt(deadLetters.get(id) ?? 0),
    })),
    ...(last !== undefined && { nextPageToken: idToken(list, last) }),
  };
}
