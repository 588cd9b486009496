import { type Database, hasState, type Queries } from './database.ts';

/**
 * A step of the schema; see `MIGRATIONS`. It was released: it is never changed.
 *
 * Inheritance, and not declarative partitions: a key that is unique without the time stays possible, so nodes of an older
 * version can write what they always wrote, and parts come and go without a lock that keeps readers of the others out.
 */
export const TIME_PARTITIONS = /* sql */ `
  -- The parts of tables that hold what is of a time: a table of its own for each span of time, which goes as a whole. The
  -- parent has what no part was there for.
  create table time_partitions (
    name       text primary key,
    parent     text not null,
    start_time timestamptz not null,
    -- What is of this time, or later, is not in it.
    end_time   timestamptz not null
  );
  `;

/**
 * SQL that makes a table one of parts: what is written to it goes to the part of its time, once for each id, and stays in the
 * table itself when there is no such part. `insert` answers no rows then.
 * @param table has a column `time`, and `id` as its primary key; nothing may refer to it
 */
export function partitionedByTime(table: string): string {
  return /* sql */ `
  create function place_${table}() returns trigger language plpgsql as $$
  declare
    place text := (select name from time_partitions
                   where parent = '${table}' and start_time <= new.time and new.time < end_time);
  begin
    if place is null then
      return new;
    end if;
    -- It may have come before its part was there.
    if not exists (select from only ${table} where id = new.id) then
      execute format('insert into %I select ($1).* on conflict do nothing', place) using new;
    end if;
    return null;
  end $$;
  -- Triggers run by their names: this one after all that change the row.
  create trigger written_to_its_part before insert on ${table} for each row execute function place_${table}();
  `;
}

/** How long inserts wait at most for a part to be made or dropped, in milliseconds; then it is tried again later. */
const LOCK_TIMEOUT = 300;
/** SQLSTATE of a lock that was not to be had in time. */
const LOCK_NOT_AVAILABLE = /^55P03/;
/** Parts that are there before they are needed. */
const AHEAD = 2;
/** So many parts, or up to twice as many, hold what is kept. */
const PARTS = 8;
const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];
const LENGTHS = [
  ...[1, 5, 15].map((n) => n * MINUTE),
  ...[1, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 4, 7, 14].map((n) => n * DAY),
];
const LONGEST = 30 * DAY;

/** From `start` on, before `end`; in milliseconds since 1970. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** How much time a part spans, in milliseconds, of what is kept for `ttl` milliseconds. */
export function partLength(ttl: number): number {
  return LENGTHS.find((length) => length * PARTS >= ttl) ?? LONGEST;
}

/** The parts to make so that those that are there, and they, cover `span`; each ends at a multiple of `length`, or earlier. */
export function missingParts(there: readonly Span[], span: Span, length: number): Span[] {
  const missing: Span[] = [];
  let start = Math.floor(span.start / length) * length;
  while (start < span.end) {
    const holder = there.find((part) => part.start <= start && start < part.end);
    const later = there.map((part) => part.start).filter((time) => time > start);
    const end = holder?.end ?? Math.min((Math.floor(start / length) + 1) * length, ...later);
    if (!holder) missing.push({ start, end });
    start = end;
  }
  return missing;
}

/** The names of parts. */
export interface Upkeep {
  readonly made: readonly string[];
  readonly dropped: readonly string[];
  /** One that is over and still read, or written to: it and others are to be tried again later, not at once. */
  readonly busy?: string;
}

/**
 * Makes the parts of a table for what is kept and what comes soon, and drops those in which everything is older than `ttl`
 * milliseconds. Any number of nodes may do it at once. What is cut off in between is done by the next call.
 * @throws DatabaseError 55P03 when those who write leave no moment to make a part in: to be tried again soon
 */
export async function keepParts(db: Database, table: string, ttl: number): Promise<Upkeep> {
  const rows = await db.query<{ name: string | null; start: number; end: number; now: number }>(
    `select name, extract(epoch from start_time)::float8 * 1000 as start, extract(epoch from end_time)::float8 * 1000 as end,
       extract(epoch from now())::float8 * 1000 as now
     from (select) as always left join time_partitions on parent = $1`,
    [table],
  );
  const { now } = rows[0]!;
  const there = rows.flatMap(({ name, ...row }) => (name === null ? [] : [{ name, ...row }]));
  const made: string[] = [];
  const dropped: string[] = [];
  const length = partLength(ttl);
  for (const span of missingParts(there, { start: now - ttl, end: now + AHEAD * length }, length)) {
    made.push(...(await makePart(db, table, span)));
  }
  for (const { name } of there.filter(({ end }) => end <= now - ttl)) {
    const result = await dropPart(db, table, name);
    if (result === 'busy') return { made, dropped, busy: name }; // who reads one reads most
    if (result === 'dropped') dropped.push(name);
  }
  return { made, dropped };
}

/** Waits for all who write to the table, so that none of them misses the part. Answers nothing when another node was first. */
function makePart(db: Database, table: string, { start, end }: Span): Promise<string[]> {
  const [from, until] = [new Date(start).toISOString(), new Date(end).toISOString()];
  const part = `${table}_${from.replaceAll(/\D/g, '').slice(0, 14)}`;
  return db.transaction(async (queries) => {
    await queries.query(`set local lock_timeout = ${LOCK_TIMEOUT}`);
    await queries.query(`lock table ${table} in share row exclusive mode`);
    const added = await queries.query(
      `insert into time_partitions (name, parent, start_time, end_time) select $1, $2, $3, $4
       where not exists (select from time_partitions where parent = $2 and start_time < $4 and $3 < end_time)
       returning name`,
      [part, table, from, until],
    );
    if (added.length === 0) return [];
    await queries.query(
      `create table ${part} (like ${table} including all, check (time >= '${from}' and time < '${until}'))
       inherits (${table})`,
    );
    return [part];
  });
}

/**
 * Nobody is writing to the part when it goes: whoever comes later finds it gone, and writes to the parent. Those who write are
 * kept waiting last, when nobody reads the part any more. Undefined: another node was first.
 */
async function dropPart(db: Database, table: string, part: string): Promise<'dropped' | 'busy' | undefined> {
  try {
    return await db.transaction(async (queries) => {
      await queries.query(`set local lock_timeout = ${LOCK_TIMEOUT}`);
      const sql = 'select name from time_partitions where name = $1 for update';
      if ((await queries.query(sql, [part])).length === 0) return undefined;
      await queries.query(`lock table ${part} in access exclusive mode`);
      await queries.query(`lock table ${table} in share row exclusive mode`);
      await queries.query('delete from time_partitions where name = $1', [part]);
      await queries.query(`drop table ${part}`);
      return 'dropped';
    });
  } catch (error) {
    if (hasState(error, LOCK_NOT_AVAILABLE)) return 'busy';
    throw error;
  }
}

/** Deletes up to `limit` rows older than `ttl` milliseconds that are in no part of the table. Answers how many. */
export async function deleteOutsideParts(
  queries: Queries,
  table: string,
  ttl: number,
  limit: number,
): Promise<number> {
  const rows = await queries.query(
    `delete from only ${table} where id in
       (select id from only ${table} where time < now() - $1 * interval '1 millisecond' limit $2)
     returning id`,
    [ttl, limit],
  );
  return rows.length;
}
