/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const REPLAY_INDEXES = /* sql */ `
  create index replays_of_source on replays (integration_id, create_time, id);
  create index replays_of_target on replays (target_integration_id, create_time, id);
  create index replays_by_end on replays (finish_time);
  `;
