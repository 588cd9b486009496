import type { Event } from '../../../gen/penstock/v1/event_service_pb.ts';
import type { Queries } from './database.ts';
import { type EventPage, type EventSelection, nextEvents, toEvent } from './events.ts';
import type { Position } from './integrations.ts';
import { MAX_LOOKED_AT, type ScopeSelection, scopedPage } from './scoped.ts';

const SHOWN = {
  of: ['integration_id'],
  time: 'time',
  columns: 'counted.id, counted.time, counted.record',
};

/** Events of integrations that are there and in the scope, in their order, and where the next page begins, if there may be one. */
export async function listScopedEvents(
  queries: Queries,
  selection: EventSelection,
  scope: ScopeSelection,
  { limit, ...page }: EventPage,
  lookedAt = MAX_LOOKED_AT,
): Promise<{ readonly events: readonly Event[]; readonly next: Position | undefined }> {
  const looked = nextEvents(selection, { ...page, limit: lookedAt });
  const { rows, next } = await scopedPage<Parameters<typeof toEvent>[0]>(queries, looked, SHOWN, scope, {
    limit,
    lookedAt,
  });
  return { events: rows.map(toEvent), next };
}
