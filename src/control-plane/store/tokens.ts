import { create } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type AccessRecord, AccessRecordSchema, type Role } from '../../../gen/penstock/v1/access_pb.ts';
import { type Token, TokenSchema } from '../../../gen/penstock/v1/token_service_pb.ts';
import type { Use } from '../../access/grants.ts';
import type { Queries } from './database.ts';
import type { Position } from './integrations.ts';
import { decodedScope, encodedScope } from './scope-column.ts';

type Row = {
  id: string;
  name: string;
  note: string;
  role: Role;
  scope: Uint8Array | null;
  hash: Uint8Array;
  expire_time: Date | null;
  create_time: Date;
  created_by: string;
  last_used_time: Date | null;
};

const isOver = 'expire_time <= clock_timestamp()';

/**
 * Within a transaction, before tokens are changed: whoever changes them next waits for its end. By the time, since a database that
 * was restored from a backup must not be behind what nodes know already.
 */
export async function nextVersion(queries: Queries): Promise<void> {
  await queries.query(
    `update access_version set version = greatest(version + 1, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)`,
  );
}

/** Of a token in an `AccessRecord` beside its name and its scope, at most. */
const GRANT_BYTES = 100;

/** What the tokens that have not ended may be together. */
export interface MostTokens {
  readonly count: number;
  /** In an `AccessRecord`. */
  readonly bytes: number;
}

/** False, and nothing is stored, when there would be more than `most` that have not ended. Within a transaction. */
export async function insertToken(
  queries: Queries,
  token: Token,
  hash: Uint8Array,
  most: MostTokens,
): Promise<boolean> {
  await nextVersion(queries);
  const [row] = await queries.query<MostTokens>(
    `select count(*)::int + 1 as count,
       (coalesce(sum($1 + octet_length(name) + coalesce(octet_length(scope), 0)), 0)
         + $1 + octet_length($2::text) + coalesce(octet_length($3::bytea), 0))::float8 as bytes
     from tokens where not coalesce(${isOver}, false)`,
    [GRANT_BYTES, token.name, encodedScope(token.scope)],
  );
  if (row!.count > most.count || row!.bytes > most.bytes) return false;
  await queries.query(
    `insert into tokens (id, name, note, role, scope, hash, expire_time, create_time, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      token.id,
      token.name,
      token.note,
      token.role,
      encodedScope(token.scope),
      Buffer.from(hash),
      token.expireTime ? timestampDate(token.expireTime) : null,
      timestampDate(token.createTime!),
      token.createdBy,
    ],
  );
  return true;
}

/** Answers what it was; undefined: there is no such token. Within a transaction. */
export async function removeToken(queries: Queries, id: string): Promise<Token | undefined> {
  await nextVersion(queries);
  const [row] = await queries.query<Row>('delete from tokens where id = $1 returning *', [id]);
  return row && toToken(row);
}

/** Removes some of those that ended longer ago than `ttl` milliseconds, and answers how many. No node knows them any more. */
export async function deleteEndedTokens(queries: Queries, ttl: number, limit: number): Promise<number> {
  const rows = await queries.query(
    `delete from tokens where id in (
       select id from tokens
       where expire_time <= clock_timestamp() - $1 * interval '1 millisecond' limit $2
     ) returning 1`,
    [ttl, limit],
  );
  return rows.length;
}

/** The newest first, from before `before` on. */
export async function listTokens(
  queries: Queries,
  page: { readonly before: Position | undefined; readonly limit: number },
): Promise<Token[]> {
  const rows = await queries.query<Row>(
    `select * from tokens where $1::timestamptz is null or (create_time, id) < ($1, $2::uuid)
     order by create_time desc, id desc limit $3`,
    [page.before?.time ?? null, page.before?.id ?? null, page.limit],
  );
  return rows.map(toToken);
}

/** What nodes are to know, as it is at one moment. */
export async function loadAccess(queries: Queries): Promise<AccessRecord> {
  const rows = await queries.query<Partial<Row> & { version: string }>(
    `select version, tokens.* from access_version left join tokens on not coalesce(${isOver}, false)`,
  );
  const tokens = rows.flatMap((row) => (row.id ? [toGrant(row as Row)] : []));
  return create(AccessRecordSchema, { version: BigInt(rows[0]!.version), tokens });
}

/** Notes when somebody was let in by these tokens. */
export async function noteUses(queries: Queries, uses: readonly Use[]): Promise<void> {
  if (uses.length === 0) return;
  await queries.query(
    `update tokens t set last_used_time = u.time
     from (select id, max(time) as time from unnest($1::uuid[], $2::timestamptz[]) as u(id, time) group by id) as u
     where t.id = u.id and (t.last_used_time is null or t.last_used_time < u.time - interval '1 minute')`,
    [uses.map(({ tokenId }) => tokenId), uses.map(({ time }) => new Date(time))],
  );
}

const timestamp = (time: Date | null) => (time ? timestampFromDate(time) : undefined);

function toToken(row: Row): Token {
  const scope = decodedScope(row.scope);
  const expireTime = timestamp(row.expire_time);
  const lastUsedTime = timestamp(row.last_used_time);
  return create(TokenSchema, {
    id: row.id,
    name: row.name,
    note: row.note,
    role: row.role,
    createTime: timestampFromDate(row.create_time),
    createdBy: row.created_by,
    ...(scope && { scope }),
    ...(expireTime && { expireTime }),
    ...(lastUsedTime && { lastUsedTime }),
  });
}

function toGrant(row: Row) {
  const scope = decodedScope(row.scope);
  const expireTime = timestamp(row.expire_time);
  const { id, name, hash, role } = row;
  return { id, name, hash, role, ...(scope && { scope }), ...(expireTime && { expireTime }) };
}
