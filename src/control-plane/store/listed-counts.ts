import type { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Queries } from './database.ts';

/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const LISTED_COUNTS = /* sql */ `
  -- Of each kind, that is type and state, in the order of lists; for whoever asks for a kind no other index will do, whatever
  -- PostgreSQL takes the kinds' numbers for. Who searches for a text says that there is one, as always.
  create index listed_integrations_by_kind on listed_integrations (type, state, create_time, integration_id);
  create index listed_integrations_searched on listed_integrations (create_time, integration_id) where text <> '';
  drop index listed_integrations_by_time;
  drop index listed_integrations_by_state;

  -- How many integrations are listed: of a type and a state, the sum. Each change adds rows, so that none waits for another.
  create table listed_counts (
    type   text not null,
    state  smallint not null,
    listed int not null
  );
  create function count_listed() returns trigger language plpgsql as $$
  begin
    if tg_op = 'INSERT' then
      insert into listed_counts select type, state, count(*) from made group by type, state;
    elsif tg_op = 'DELETE' then
      insert into listed_counts select type, state, -count(*) from gone group by type, state;
    else
      insert into listed_counts select type, state, sum(n) from (
        select type, state, 1 as n from made union all select type, state, -1 from gone
      ) as changed group by type, state having sum(n) <> 0;
    end if;
    return null;
  end $$;
  create trigger counted_made after insert on listed_integrations
    referencing new table as made for each statement execute function count_listed();
  create trigger counted_changed after update on listed_integrations
    referencing old table as gone new table as made for each statement execute function count_listed();
  create trigger counted_gone after delete on listed_integrations
    referencing old table as gone for each statement execute function count_listed();
  -- The triggers keep others from writing until this is committed.
  insert into listed_counts select type, state, count(*) from listed_integrations group by type, state;

  -- The services that came or went whose integrations' states are still to be computed: of those after this id. Who changes
  -- it holds counted_nodes_lock.
  create table uncounted_services (
    service_id text primary key,
    after_id   uuid not null default '00000000-0000-0000-0000-000000000000'
  );
  insert into uncounted_services
    select distinct service_id from executor_states join uncounted_states using (integration_id);
  drop table uncounted_states;
  create index executor_states_of_service on executor_states (service_id, integration_id);
  drop index executor_states_by_service;
  `;

/** How many integrations are of each type and in each state. */
export interface ListedKind {
  readonly type: string;
  readonly state: IntegrationState;
  readonly count: number;
}

export function countListed(queries: Queries): Promise<ListedKind[]> {
  return queries.query<ListedKind & Record<string, unknown>>(
    'select type, state, sum(listed)::int as count from listed_counts group by type, state',
  );
}

/** Leaves one row of each type and state, besides those that come meanwhile. */
export async function foldCounts(queries: Queries): Promise<void> {
  await queries.query(
    `with folded as (delete from listed_counts returning type, state, listed)
     insert into listed_counts select type, state, sum(listed) from folded group by type, state having sum(listed) <> 0`,
  );
}
