/** A step of the schema; see `MIGRATIONS`. */
export const JOB_KINDS = /* sql */ `
  -- What goes on without its caller: a replay, or a redrive, whose source and target are one integration. The request is the
  -- encoded penstock.v1.StartReplayRequest or StartRedriveRequest, the partitions those of the message topic or of the
  -- dead-letter topic.
  alter table replays add column kind text not null default 'replay';
  alter table replays alter column kind drop default;
  -- Null: it is being counted.
  alter table replays alter column total drop not null;
  create unique index running_redrives on replays (integration_id) where kind = 'redrive' and finish_time is null;

  -- Lists are of one kind.
  drop index replays_by_time;
  drop index replays_of_source;
  drop index replays_of_target;
  create index jobs_by_time on replays (kind, create_time, id);
  create index jobs_of_source on replays (kind, integration_id, create_time, id);
  create index jobs_of_target on replays (kind, target_integration_id, create_time, id);

  -- For those who watch; see set_version.
  alter table replays add column version bigint not null default 0;
  create index replays_by_version on replays (version);
  create trigger version before insert or update on replays for each row execute function set_version();
  `;
