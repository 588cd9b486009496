import type { CallerKind, Role, Scope } from '../../../gen/penstock/v1/access_pb.ts';
import type { Queries } from './database.ts';
import { decodedScope, encodedScope } from './scope-column.ts';

/** Whose session it is to be. */
export interface SessionDraft {
  readonly name: string;
  readonly kind: CallerKind;
  readonly role: Role;
  readonly scope?: Scope | undefined;
  /** The user that it ends with. */
  readonly userName?: string | undefined;
  /** The API token that it ends with. */
  readonly tokenId?: string | undefined;
}

export interface StoredSession extends Omit<SessionDraft, 'userName'> {
  readonly bootstrapProof: Buffer | undefined;
  /** Of the OpenID Connect provider that the caller logged in at. */
  readonly issuer: string | undefined;
  /** How many milliseconds it lasts if nobody uses it. */
  readonly left: number;
  /** Whether its last use was noted longer ago than `noteAfter`. */
  readonly isUseDue: boolean;
}

type Row = {
  name: string;
  kind: CallerKind;
  role: Role;
  scope: Uint8Array | null;
  token_id: string | null;
  bootstrap_proof: Buffer | null;
  issuer: string | null;
  left_ms: number;
  use_due: boolean;
};

/** Durations in milliseconds. */
export interface SessionTimes {
  readonly idle: number;
  readonly lifetime: number;
}

const after = (column: string, ms: string) => `(${column} + ${ms} * interval '1 millisecond')`;

/** Answers when it ends at the latest. Fails by a foreign key when what it ends with has ended already. */
export async function insertSession(
  queries: Queries,
  hash: Buffer,
  draft: SessionDraft & Partial<Pick<StoredSession, 'bootstrapProof' | 'issuer'>>,
  lifetime: number,
): Promise<Date> {
  const [row] = await queries.query<{ expire_time: Date }>(
    `insert into sessions (hash, name, kind, role, scope, user_name, token_id, bootstrap_proof, issuer,
       create_time, last_used_time, expire_time)
     select $1, $2, $3, $4, $5, $6, $7, $8, $9, now, now,
       least(${after('now', '$10')}, (select expire_time from tokens where id = $7))
     from clock_timestamp() as now returning expire_time`,
    [
      hash,
      draft.name,
      draft.kind,
      draft.role,
      encodedScope(draft.scope),
      draft.userName ?? null,
      draft.tokenId ?? null,
      draft.bootstrapProof ?? null,
      draft.issuer ?? null,
      lifetime,
    ],
  );
  return row!.expire_time;
}

/** Undefined: there is none, or it has ended. */
export async function findSession(
  queries: Queries,
  hash: Buffer,
  { idle, noteAfter }: { readonly idle: number; readonly noteAfter: number },
): Promise<StoredSession | undefined> {
  const [row] = await queries.query<Row>(
    `select name, kind, role, scope, token_id, bootstrap_proof, issuer,
       (extract(epoch from least(expire_time, ${after('last_used_time', '$2')}) - now) * 1000)::float8 as left_ms,
       ${after('last_used_time', '$3')} <= now as use_due
     from sessions, clock_timestamp() as now
     where hash = $1 and least(expire_time, ${after('last_used_time', '$2')}) > now`,
    [hash, idle, noteAfter],
  );
  if (!row) return undefined;
  return {
    name: row.name,
    kind: row.kind,
    role: row.role,
    scope: decodedScope(row.scope),
    tokenId: row.token_id ?? undefined,
    bootstrapProof: row.bootstrap_proof ?? undefined,
    issuer: row.issuer ?? undefined,
    left: row.left_ms,
    isUseDue: row.use_due,
  };
}

/** Somebody calls with it. */
export async function noteSessionUse(queries: Queries, hash: Buffer): Promise<void> {
  await queries.query('update sessions set last_used_time = clock_timestamp() where hash = $1', [hash]);
}

export async function deleteSession(queries: Queries, hash: Buffer): Promise<void> {
  await queries.query('delete from sessions where hash = $1', [hash]);
}

/** Ends the sessions of a user, but for this one. */
export async function deleteSessionsOf(queries: Queries, userName: string, but?: Buffer): Promise<void> {
  await queries.query('delete from sessions where user_name = $1 and hash is distinct from $2', [
    userName,
    but ?? null,
  ]);
}

/** Removes some of those whose time is over, and answers how many. */
export async function deleteEndedSessions(queries: Queries, idle: number, limit: number): Promise<number> {
  const rows = await queries.query(
    `delete from sessions where hash in (
       select hash from sessions
       where least(expire_time, ${after('last_used_time', '$1')}) <= clock_timestamp() limit $2
     ) returning 1`,
    [idle, limit],
  );
  return rows.length;
}
