/** A step of the schema; see `MIGRATIONS`. */
export const JOB_KINDS = /* sql */ `
  -- What goes on without its caller: a replay, or a redrive, whose source and target are one integration. The request is the
  -- encoded penstock.v1.StartReplayRequest or StartRedriveRequest, the partitions those of the message topic or of the
  -- dead-letter topic. Control planes of before, which know replays alone, go on with the view below.
  alter table replays rename to jobs;
  alter table jobs add column kind text not null default 'replay';
  -- Null: it is being counted.
  alter table jobs alter column total drop not null;
  create unique index running_redrives on jobs (integration_id) where kind = 'redrive' and finish_time is null;

  -- Lists are of one kind.
  drop index replays_by_time;
  drop index replays_of_source;
  drop index replays_of_target;
  create index jobs_by_time on jobs (kind, create_time, id);
  create index jobs_of_source on jobs (kind, integration_id, create_time, id);
  create index jobs_of_target on jobs (kind, target_integration_id, create_time, id);

  -- For those who watch; see set_version.
  alter table jobs add column version bigint not null default 0;
  create index jobs_by_version on jobs (version);
  create trigger version before insert or update on jobs for each row execute function set_version();

  create view replays as
    select id, integration_id, target_integration_id, request, state, reason, total, replayed, create_time, finish_time
    from jobs where kind = 'replay';
  `;
