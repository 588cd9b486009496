/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const OWN_VERSIONS = /* sql */ `
  -- Versions that depend on nobody else: a snapshot of PostgreSQL waits for every transaction of the whole server. While a
  -- transaction that gives a version is open, it holds a lock that names a lower one: see settledVersion.
  create sequence versions;
  select nextval('versions');
  drop trigger version on integrations;
  drop trigger version on executor_states;
  alter table integrations drop column version;
  alter table executor_states drop column version;
  alter table events drop column version;
  alter table deleted_integrations drop column version;
  create or replace function set_version() returns trigger language plpgsql as $$
  declare own text := current_setting('penstock.version', true);
  begin
    if own is null or own = '' then
      perform pg_advisory_xact_lock_shared((1347310420::bigint << 32) + (select last_value from versions));
      own := nextval('versions')::text;
      perform set_config('penstock.version', own, true);
    end if;
    new.version := own::bigint;
    return new;
  end $$;
  alter table integrations add column version bigint not null default 0;
  alter table executor_states add column version bigint not null default 0;
  alter table events add column version bigint not null default 0;
  alter table deleted_integrations add column version bigint not null default 0;
  create index integrations_by_version on integrations (version);
  create index executor_states_by_version on executor_states (version);
  create index events_by_version on events (version);
  create index deleted_integrations_by_version on deleted_integrations (version);
  create trigger version before insert or update on integrations for each row execute function set_version();
  create trigger version before insert or update on executor_states for each row execute function set_version();
  create trigger version before insert on events for each row execute function set_version();
  create trigger version before insert on deleted_integrations for each row execute function set_version();
  `;
