import type { Event } from '../../../gen/penstock/v1/event_service_pb.ts';
import type { Queries } from './database.ts';
import { type EventPage, type EventSelection, nextEvents, toEvent } from './events.ts';
import type { Position } from './integrations.ts';
import { inScope, type ScopeSelection } from './scoped.ts';

/** Events that one page looks at: then it ends, however little is on it. */
const MAX_LOOKED_AT = 5000;

type Row = { id: string; time: Date; record: Uint8Array | null };

/** Events of integrations that are there and in the scope, in their order, and where the next page begins, if there is one. */
export async function listScopedEvents(
  queries: Queries,
  selection: EventSelection,
  scope: ScopeSelection,
  { after, limit, isOldestFirst }: EventPage,
  mostLookedAt = MAX_LOOKED_AT,
): Promise<{ readonly events: readonly Event[]; readonly next: Position | undefined }> {
  const looked = nextEvents(selection, { after, limit: mostLookedAt, isOldestFirst });
  const given = (value: unknown) => `$${looked.values.push(value)}`;
  // Each that was looked at up to one more than are wanted, with its record if it is in the scope.
  const rows = await queries.query<Row>(
    `select id, time, case when passes then record end as record from (
       select *, count(*) filter (where passes) over (order by ${looked.order}) as passing from (
         select *, ${inScope('looked.integration_id', scope, given)} as passes from (${looked.sql}) as looked) as judged
     ) as counted where passing <= ${given(limit + 1)} order by ${looked.order}`,
    looked.values,
  );
  const found = rows.flatMap(({ record, ...row }) => (record ? [{ ...row, record }] : []));
  const shown = found.slice(0, limit);
  const last = found.length > limit ? shown.at(-1) : rows.length === mostLookedAt ? rows.at(-1) : undefined;
  return { events: shown.map(toEvent), next: last };
}
