/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const RUNNING_STATES = /* sql */ `
  -- What each node runs, in the order of ids, with all that tells whether it still does.
  create index executor_states_running on executor_states (service_id, integration_id)
    include (time, node_start_time) where state <> 0;
  `;
