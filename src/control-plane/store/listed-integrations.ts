/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const LISTED_INTEGRATIONS = /* sql */ `
  -- What lists filter and sort by, in rows so narrow that all of them can be looked at. Kept by triggers.
  create table listed_integrations (
    integration_id uuid primary key references integrations on delete cascade,
    create_time    timestamptz not null,
    type           text not null,
    -- Name and description in lower case.
    text           text not null,
    -- As what executors said makes it, those in counted_nodes.
    state          smallint not null
  );
  create index listed_integrations_by_time on listed_integrations (create_time, integration_id);
  create index listed_integrations_by_state on listed_integrations (state, create_time, integration_id);
  create index executor_states_by_service on executor_states (service_id);

  -- The nodes that ran when states were computed last. Who changes it holds this lock, who computes states shares it.
  create table counted_nodes (
    service_id text primary key,
    start_time timestamptz not null
  );
  create function counted_nodes_lock() returns bigint immutable language sql as $$
    select hashtextextended('penstock counted_nodes', 0)
  $$;

  -- The numbers are those of IntegrationState; the rule is that of statusOf, which a test holds it to.
  create function compute_states(ids uuid[]) returns void language plpgsql as $$
  begin
    update listed_integrations l set state = computed.state
    from (select i.id, case when not i.enabled then 1 when bool_or(newest.state = 4) then 4
              when bool_or(newest.state = 3) then 3 else 2 end as state
          from integrations i
          left join (select distinct on (s.integration_id, s.shard) s.integration_id, s.state, s.generation
                     from executor_states s join counted_nodes n using (service_id)
                     where s.integration_id = any(ids) and s.state <> 0
                       and coalesce(s.node_start_time, s.time) >= n.start_time
                     order by s.integration_id, s.shard, s.generation desc, s.time desc) as newest
            on newest.integration_id = i.id and newest.generation = i.generation
          where i.id = any(ids) group by i.id) as computed
    where l.integration_id = computed.id and l.state <> computed.state;
  end $$;

  create function list_integration() returns trigger language plpgsql as $$
  begin
    perform pg_advisory_xact_lock_shared(counted_nodes_lock());
    insert into listed_integrations as l (integration_id, create_time, type, text, state)
    values (new.id, new.create_time, new.type, lower(new.name || E'\\x1f' || new.description),
      case when new.enabled then 2 else 1 end)
    on conflict (integration_id) do update set text = excluded.text where l.text <> excluded.text;
    if tg_op = 'UPDATE' then
      perform compute_states(array[new.id]);
    end if;
    return null;
  end $$;
  create trigger listed after insert or update of name, description, enabled, generation on integrations
    for each row execute function list_integration();

  create function executors_said() returns trigger language plpgsql as $$
  begin
    perform pg_advisory_xact_lock_shared(counted_nodes_lock());
    perform compute_states(array(select distinct integration_id from said));
    return null;
  end $$;
  create trigger said_first after insert on executor_states
    referencing new table as said for each statement execute function executors_said();
  create trigger said_more after update on executor_states
    referencing new table as said for each statement execute function executors_said();
  create trigger forgotten after delete on executor_states
    referencing old table as said for each statement execute function executors_said();

  insert into listed_integrations
    select id, create_time, type, lower(name || E'\\x1f' || description), case when enabled then 2 else 1 end
    from integrations;
  `;
