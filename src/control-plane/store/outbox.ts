import type { Queries } from './database.ts';

/** A downlink record on its way to Kafka. `value: null` is a tombstone. */
export interface OutboxRow {
  readonly integrationId: string;
  readonly generation: bigint;
  readonly topic: string;
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface PendingRow extends OutboxRow {
  readonly seq: string;
  /** The partition that it goes to, as `topic/partition`. */
  readonly destination: string;
}

/** What is not to be sent now. */
export interface Held {
  readonly destinations: readonly string[];
  readonly integrationIds: readonly string[];
}

/**
 * Within the transaction of the change, which must hold the lock on the integration's row (a new integration is known to
 * nobody else): so the rows of one integration get their `seq` in the order in which they are committed. Across
 * integrations `seq` says nothing: a smaller one may become visible later, which is why rows are removed one by one.
 */
export async function insertOutbox(queries: Queries, rows: readonly OutboxRow[]): Promise<void> {
  await queries.query(
    `insert into outbox (integration_id, generation, topic, key, value)
     select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bytea[])`,
    [
      rows.map((row) => row.integrationId),
      rows.map((row) => row.generation),
      rows.map((row) => row.topic),
      rows.map((row) => row.key),
      rows.map((row) => row.value && Buffer.from(row.value)),
    ],
  );
}

/** The oldest first, but for those that are held. @param partitions how many each topic has */
export async function pendingRows(
  queries: Queries,
  partitions: number,
  held: Held,
  limit: number,
): Promise<PendingRow[]> {
  type Row = {
    seq: string;
    integration_id: string;
    generation: string;
    topic: string;
    key: string;
    value: Buffer | null;
    destination: string;
  };
  const rows = await queries.query<Row>(
    `select *, topic || '/' || key_hash % $1::int as destination from outbox
     where topic || '/' || key_hash % $1::int <> all($2::text[]) and integration_id <> all($3::uuid[])
     order by seq limit $4`,
    [partitions, held.destinations, held.integrationIds, limit],
  );
  return rows.map((row) => ({
    seq: row.seq,
    integrationId: row.integration_id,
    generation: BigInt(row.generation),
    topic: row.topic,
    key: row.key,
    value: row.value,
    destination: row.destination,
  }));
}

/** The newest row's place; 0 when there is none. */
export async function lastSeq(queries: Queries): Promise<string> {
  const [row] = await queries.query<{ seq: string }>('select coalesce(max(seq), 0) as seq from outbox');
  return row!.seq;
}

/** How many rows wait, of those up to this place. */
export async function waitingRows(queries: Queries, last: string): Promise<number> {
  const sql = 'select count(*)::int as count from outbox where seq <= $1';
  const [row] = await queries.query<{ count: number }>(sql, [last]);
  return row!.count;
}

/** Since when the oldest row waits, and for how many seconds. */
export async function oldestRow(queries: Queries): Promise<{ time: Date; age: number } | undefined> {
  const [row] = await queries.query<{ time: Date; age: number }>(
    `select create_time as time, extract(epoch from clock_timestamp() - create_time)::float8 as age
     from outbox order by seq limit 1`,
  );
  return row;
}

/**
 * Removes rows that Kafka acknowledged; notes which generations are published in full, and lets the topics that are given
 * up go `deletionDelay` milliseconds from now.
 */
export async function removePublished(
  queries: Queries,
  rows: readonly PendingRow[],
  deletionDelay: number,
): Promise<void> {
  await queries.query('delete from outbox where seq = any($1)', [rows.map((row) => row.seq)]);
  const ids = rows.map((row) => row.integrationId);
  await queries.query(
    `update integrations as i set published_generation = greatest(i.published_generation, p.generation)
     from (select id, max(generation) as generation from unnest($1::uuid[], $2::bigint[]) as r(id, generation) group by id) as p
     where i.id = p.id and not exists
       (select from outbox as o where o.integration_id = p.id and o.generation <= p.generation)`,
    [ids, rows.map((row) => row.generation)],
  );
  await queries.query(
    `update topic_deletions as d set due_time = now() + $2 * interval '1 millisecond'
     where d.integration_id = any($1) and d.due_time is null
       and not exists (select from outbox as o where o.integration_id = d.integration_id)`,
    [ids, deletionDelay],
  );
  await queries.query(
    `update integrations as i set topic_due_time = now() + $2 * interval '1 millisecond'
     where i.id = any($1) and i.topic_state = 'withdrawn' and i.topic_due_time is null
       and not exists (select from outbox as o where o.integration_id = i.id)`,
    [ids, deletionDelay],
  );
}

/** Integrations whose newest generation is neither published nor waiting to be. */
export async function unpublishedIds(queries: Queries, limit: number): Promise<string[]> {
  const rows = await queries.query<{ id: string }>(
    `select id from integrations as i where published_generation < generation
       and not exists (select from outbox as o where o.integration_id = i.id) limit $1`,
    [limit],
  );
  return rows.map((row) => row.id);
}
