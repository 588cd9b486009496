/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const FIGURES_TABLES = /* sql */ `
  -- What counters came to, and what the row said before its last report: of that rates are made. See status/counters.ts.
  alter table executor_statistics
    -- Which counting they are of. Null: the row is of before there were counters.
    add column run         text,
    add column counters    bigint[],
    add column in_flight   bigint,
    -- The time, in milliseconds, in which was counted what came to them since the report before. Null: not told.
    add column interval_ms bigint,
    -- Null: there was no report before.
    add column before      jsonb;

  -- Counters of different lengths: what is missing is zero.
  create function add_counters(a bigint[], b bigint[]) returns bigint[] language sql immutable parallel safe as $$
    select coalesce(array_agg(coalesce(x, 0) + coalesce(y, 0) order by n), '{}')
    from unnest(a, b) with ordinality as one (x, y, n)
  $$;
  create function larger_counters(a bigint[], b bigint[]) returns bigint[] language sql immutable parallel safe as $$
    select coalesce(array_agg(greatest(x, y) order by n), '{}') from unnest(a, b) with ordinality as one (x, y, n)
  $$;
  create aggregate sum_counters(bigint[]) (sfunc = add_counters, stype = bigint[], initcond = '{}', parallel = safe);

  -- The history of figures: what was counted is in one row alone, of an integration and of a time; that of all together is
  -- under the id of zeros, beside it. Of what is older, rows are folded into rows of longer times.
  create table statistics_buckets (
    integration_id uuid not null,
    bucket         timestamptz not null,
    -- How long it is, in seconds.
    resolution     int not null,
    counters       bigint[] not null,
    -- What was told last, and when.
    lag            bigint,
    oldest_age_ms  bigint,
    gauge_time     timestamptz,
    primary key (integration_id, bucket, resolution)
  -- A row of this minute is changed with every report, and rows go all the time.
  ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
  create index statistics_buckets_by_age on statistics_buckets (resolution, bucket);

  -- When executors were heard, and which types they served.
  create table executor_spans (
    service_id text not null,
    since      timestamptz not null,
    until      timestamptz not null,
    types      int[] not null,
    primary key (service_id, since)
  );
  `;
