/** The first step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const FIRST_TABLES = /* sql */ `
  create table integrations (
    id                   uuid primary key,
    name                 text not null,
    description          text not null,
    type                 text not null,
    enabled              boolean not null,
    -- When \`enabled\` last changed.
    enabled_change_time  timestamptz not null,
    generation           bigint not null,
    -- The newest generation that Kafka acknowledged in all its downlink records.
    published_generation bigint not null default 0,
    -- The encoded penstock.v1.Integration, with its secrets, without its status. The columns repeat what is searched by.
    config               bytea not null,
    request_id           uuid unique,
    create_time          timestamptz not null,
    update_time          timestamptz not null
  );
  create index integrations_by_time on integrations (create_time, id);

  -- Downlink records that Kafka does not have yet.
  create table outbox (
    seq            bigint generated always as identity primary key,
    integration_id uuid not null,
    generation     bigint not null,
    topic          text not null,
    key            text not null,
    -- Null: a tombstone.
    value          bytea
  );
  create index outbox_by_integration on outbox (integration_id);

  -- Integrations whose topics are to be deleted. Due null: not before the tombstones are published.
  create table topic_deletions (
    integration_id uuid primary key,
    due_time       timestamptz
  );

  -- Where each integration was last seen running, or failing to.
  create table executor_states (
    integration_id uuid not null references integrations on delete cascade,
    shard          bigint not null,
    service_id     text not null,
    generation     bigint not null,
    time           timestamptz not null,
    state          smallint not null,
    reason         text not null,
    since          timestamptz not null,
    primary key (integration_id, shard, service_id)
  );

  create table executor_statistics (
    integration_id      uuid not null references integrations on delete cascade,
    shard               bigint not null,
    service_id          text not null,
    time                timestamptz not null,
    lag                 bigint not null,
    oldest_age_ms       bigint,
    last_delivered_time timestamptz,
    -- When statistics were last kept as an event.
    event_time          timestamptz not null,
    primary key (integration_id, shard, service_id)
  );

  create table events (
    id             uuid primary key,
    integration_id uuid not null,
    kind           smallint not null,
    time           timestamptz not null,
    -- The encoded penstock.v1.UplinkRecord, as it came.
    record         bytea not null
  );
  create index events_by_time on events (time, id);
  create index events_by_integration on events (integration_id, time, id);
  `;
