import { ACCESS_TABLES } from './access-tables.ts';
import { AUDIT_RECORDS } from './audit-records.ts';
import { DEAD_LETTER_COUNTS } from './dead-letter-counts.ts';
import { DEAD_LETTER_STARTS } from './dead-letter-starts.ts';
import { EVENT_INDEXES, EVENT_PARTS } from './event-parts.ts';
import { FIGURES_TABLES } from './figures-tables.ts';
import { FIRST_TABLES } from './first-tables.ts';
import { JOB_KINDS } from './job-kinds.ts';
import { KAFKA_HASH } from './kafka-hash.ts';
import { LISTED_COUNTS } from './listed-counts.ts';
import { LISTED_INTEGRATIONS } from './listed-integrations.ts';
import { LISTED_LABELS } from './listed-labels.ts';
import { OWN_VERSIONS } from './own-versions.ts';
import { REPLAY_INDEXES } from './replay-indexes.ts';
import { REVISIONS } from './revisions.ts';
import { RUNNING_STATES } from './running-states.ts';
import { SEALED_COLUMNS } from './sealed-columns.ts';
import { SESSION_ISSUERS } from './session-issuers.ts';
import { TIME_PARTITIONS } from './time-partitions.ts';
import { USER_TABLES } from './user-tables.ts';

/** The schema's steps, in order. A step that was released is never changed: add another. */
export const MIGRATIONS: readonly string[] = [
  FIRST_TABLES,
  /* sql */ `
  -- Runs of dead letters that were put back: those from the start offset on, before the end offset. They may overlap.
  create table redriven_dead_letters (
    integration_id uuid not null references integrations on delete cascade,
    partition      int not null,
    start_offset   bigint not null,
    end_offset     bigint not null,
    redriven_time  timestamptz not null,
    primary key (integration_id, partition, start_offset, end_offset)
  );

  create table replays (
    id                    uuid primary key,
    integration_id        uuid not null,
    target_integration_id uuid not null,
    -- The encoded penstock.v1.StartReplayRequest.
    request               bytea not null,
    state                 smallint not null,
    reason                text not null,
    total                 bigint not null,
    replayed              bigint not null,
    create_time           timestamptz not null,
    finish_time           timestamptz
  );
  create index replays_by_time on replays (create_time, id);
  create index replays_running on replays (create_time) where finish_time is null;

  create table replay_partitions (
    replay_id   uuid not null references replays on delete cascade,
    partition   int not null,
    -- Everything before it is sent.
    next_offset bigint not null,
    end_offset  bigint not null,
    primary key (replay_id, partition)
  );
  `,
  /* sql */ `
  create table nodes (
    service_id text primary key,
    start_time timestamptz not null,
    -- When it said what is here, by its own clock.
    time       timestamptz not null,
    -- When that came, by the clock of PostgreSQL.
    last_seen  timestamptz not null,
    stopping   boolean not null,
    -- The encoded penstock.v1.NodeReport.
    report     bytea not null
  );

  -- When the executor was started that said so.
  alter table executor_states add column node_start_time timestamptz;

  -- Which transaction a row was last written by: who watches asks for those of a transaction that had not ended before.
  create function set_version() returns trigger language plpgsql as $$
  begin
    new.version := pg_current_xact_id();
    return new;
  end $$;
  alter table integrations add column version xid8 not null default pg_current_xact_id();
  create index integrations_by_version on integrations (version);
  create trigger version before insert or update on integrations for each row execute function set_version();
  alter table executor_states add column version xid8 not null default pg_current_xact_id();
  create index executor_states_by_version on executor_states (version);
  create trigger version before insert or update on executor_states for each row execute function set_version();
  alter table events add column version xid8 not null default pg_current_xact_id();
  create index events_by_version on events (version);

  -- For those who watch; kept for some hours.
  create table deleted_integrations (
    id          uuid primary key,
    delete_time timestamptz not null,
    -- The encoded penstock.v1.Integration as callers saw it last: without its secrets.
    integration bytea not null,
    version     xid8 not null default pg_current_xact_id()
  );
  create index deleted_integrations_by_version on deleted_integrations (version);
  `,
  /* sql */ `
  -- Of the message topic of an integration that is disabled for long: kept, withdrawn, deleting, deleted.
  alter table integrations add column topic_state text not null default 'kept';
  -- When a withdrawn topic may be deleted. Null: not before the record that withdraws it is published.
  alter table integrations add column topic_due_time timestamptz;
  -- The messages in it when its deletion began.
  alter table integrations add column topic_messages bigint not null default 0;
  create index integrations_without_topic on integrations (topic_due_time) where topic_state <> 'kept';
  `,
  /* sql */ `
  -- By which topic filters each ingress takes messages in.
  create table ingress_filters (
    integration_id uuid not null references integrations on delete cascade,
    service_id     text not null,
    generation     bigint not null,
    primary key (integration_id, service_id)
  );
  `,
  /* sql */ `
  -- The last time that no node was heard for long: when the last one was before, and when the first one was again.
  create table report_gap (
    since timestamptz not null,
    until timestamptz not null
  );
  insert into report_gap values ('-infinity', '-infinity');
  `,
  /* sql */ `
  -- Where in its partition of the uplink topic the report is that a row is from.
  alter table executor_states add column uplink_offset bigint not null default -1;
  alter table executor_statistics add column uplink_offset bigint not null default -1;
  `,
  /* sql */ `
  -- When the executor was started that sent them.
  alter table executor_statistics add column node_start_time timestamptz;
  `,
  /* sql */ `
  -- Which of the integration's message topics it is: grows when the topic is made anew.
  alter table integrations add column topic_incarnation integer not null default 1;
  `,
  OWN_VERSIONS,
  LISTED_INTEGRATIONS,
  /* sql */ `
  ${KAFKA_HASH}
  alter table outbox add column key_hash int generated always as (kafka_hash(key)) stored;
  alter table outbox add column create_time timestamptz not null default now();
  `,
  DEAD_LETTER_STARTS,
  /* sql */ `
  -- Integrations whose states are to be computed since counted_nodes changed. Who changes it holds counted_nodes_lock.
  create table uncounted_states (integration_id uuid primary key);
  `,
  LISTED_COUNTS,
  ACCESS_TABLES,
  SEALED_COLUMNS,
  LISTED_LABELS,
  TIME_PARTITIONS,
  EVENT_INDEXES,
  EVENT_PARTS,
  USER_TABLES,
  REVISIONS,
  REPLAY_INDEXES,
  AUDIT_RECORDS,
  SESSION_ISSUERS,
  RUNNING_STATES,
  FIGURES_TABLES,
  JOB_KINDS,
  DEAD_LETTER_COUNTS,
];
