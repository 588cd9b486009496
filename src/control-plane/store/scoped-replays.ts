import type { Replay } from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { Queries } from './database.ts';
import type { Position } from './integrations.ts';
import { nextReplays, type ReplayPage, type ReplayRow, toReplay } from './replays.ts';
import { MAX_LOOKED_AT, type ScopeSelection, scopedPage } from './scoped.ts';

const SHOWN = {
  of: ['integration_id', 'target_integration_id'],
  time: 'create_time',
  columns: 'counted.*',
};

/** Replays whose source and target are in the scope, and where the next page begins, if there may be one. */
export async function listScopedReplays(
  queries: Queries,
  integrationId: string | undefined,
  scope: ScopeSelection,
  { limit, ...page }: ReplayPage,
  lookedAt = MAX_LOOKED_AT,
): Promise<{ readonly replays: readonly Replay[]; readonly next: Position | undefined }> {
  const looked = nextReplays(integrationId, { ...page, limit: lookedAt });
  const { rows, next } = await scopedPage<ReplayRow>(queries, looked, SHOWN, scope, { limit, lookedAt });
  return { replays: rows.map(toReplay), next };
}
