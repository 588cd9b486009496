/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const LISTED_LABELS = /* sql */ `
  -- Each label as key=value: a key has no =.
  alter table integrations add column labels text[] not null default '{}';
  alter table listed_integrations
    add column name text collate "C" not null default '',
    add column update_time timestamptz not null default '-infinity',
    add column labels text[] not null default '{}';
  update listed_integrations set name = i.name, update_time = i.update_time from integrations i where i.id = integration_id;
  alter table listed_integrations alter column name drop default, alter column update_time drop default;

  create or replace function list_integration() returns trigger language plpgsql as $$
  begin
    perform pg_advisory_xact_lock_shared(counted_nodes_lock());
    insert into listed_integrations as l (integration_id, create_time, type, text, state, name, update_time, labels)
    values (new.id, new.create_time, new.type, lower(new.name || E'\\x1f' || new.description),
      case when new.enabled then 2 else 1 end, new.name, new.update_time, new.labels)
    on conflict (integration_id) do update
      set text = excluded.text, name = excluded.name, update_time = excluded.update_time, labels = excluded.labels;
    if tg_op = 'UPDATE' then
      perform compute_states(array[new.id]);
    end if;
    return null;
  end $$;

  -- For each order the same two as for the time of creation: of each kind, and for whoever looks through all.
  create index listed_integrations_by_kind_name on listed_integrations (type, state, name, integration_id);
  create index listed_integrations_by_kind_update on listed_integrations (type, state, update_time, integration_id);
  create index listed_integrations_named on listed_integrations (name, integration_id) where text <> '';
  create index listed_integrations_updated on listed_integrations (update_time, integration_id) where text <> '';
  create index listed_integrations_labels on listed_integrations using gin (labels) with (fastupdate = off);
  `;
