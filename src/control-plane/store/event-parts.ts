import { partitionedByTime } from './time-partitions.ts';

/**
 * A step of the schema; see `MIGRATIONS`. It was released: it is never changed. By itself, since it takes seconds for ten
 * million events, for which nobody may write.
 */
export const EVENT_INDEXES = /* sql */ `
  create index events_of_kind on events (kind, time, id);
  create index events_of_integration on events (integration_id, kind, time, id);
  `;

/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const EVENT_PARTS = /* sql */ `
  -- What is there becomes a part as it is.
  alter table events rename to events_before;
  alter index events_pkey rename to events_before_pkey;
  alter index events_by_time rename to events_before_by_time;
  alter index events_by_integration rename to events_before_by_integration;
  alter index events_by_version rename to events_before_by_version;
  alter index events_of_kind rename to events_before_of_kind;
  alter index events_of_integration rename to events_before_of_integration;
  drop trigger version on events_before;

  create table events (like events_before including defaults, primary key (id));
  create index events_of_kind on events (kind, time, id);
  create index events_of_integration on events (integration_id, kind, time, id);
  create index events_by_version on events (version, time, id);
  create trigger version before insert on events for each row execute function set_version();
  ${partitionedByTime('events')}

  do $$ begin
    if exists (select from events_before) then
      alter table events_before inherit events;
      -- Times may be ahead of PostgreSQL's clock, by as much as those of the nodes that stored them.
      insert into time_partitions select 'events_before', 'events', '-infinity',
        date_trunc('second', least(greatest(now(), max(time)), now() + interval '1 day')) + interval '1 second'
      from events_before;
    else
      drop table events_before;
    end if;
  end $$;
  `;
