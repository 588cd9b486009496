/** A step of the schema; see `MIGRATIONS`. */
export const DEAD_LETTER_STARTS = /* sql */ `
  -- Where the dead letters of an integration began when that was last looked at: what goes after that, retention removed.
  create table dead_letter_starts (
    integration_id uuid not null references integrations on delete cascade,
    partition      int not null,
    start_offset   bigint not null,
    primary key (integration_id, partition)
  );
  `;
