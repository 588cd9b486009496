import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import {
  type Revision,
  type RevisionChange,
  RevisionSchema,
} from '../../../gen/penstock/v1/revision_service_pb.ts';
import type { Queries } from './database.ts';
import { withoutNul } from './integrations.ts';

/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const REVISIONS = /* sql */ `
  -- What changes by calls made of integrations: the last of each. They outlive it for a while.
  create table integration_revisions (
    integration_id uuid not null,
    generation     bigint not null,
    time           timestamptz not null,
    caller         text not null,
    -- A RevisionChange.
    change         smallint not null,
    -- The encoded penstock.v1.Integration as callers see it, without its secrets, its status and its etag.
    integration    bytea not null,
    -- When the integration was deleted, whichever version did it.
    delete_time    timestamptz,
    primary key (integration_id, generation)
  );
  create index integration_revisions_deleted on integration_revisions (delete_time) where delete_time is not null;
  create function integration_deleted() returns trigger language plpgsql as $$
  begin
    update integration_revisions set delete_time = now() where integration_id = old.id;
    return null;
  end $$;
  create trigger deleted after delete on integrations for each row execute function integration_deleted();
  `;

/** Of each integration, the last so many are kept. */
const MAX_KEPT = 100;

type Row = {
  integration_id: string;
  generation: string;
  time: Date;
  caller: string;
  change: RevisionChange;
  integration: Uint8Array;
};

/** Keeps a revision, of now when it has no time, in place of the oldest one where there are as many as are kept. */
export async function insertRevision(queries: Queries, revision: Revision): Promise<void> {
  const { integrationId, generation, time, caller, change, integration } = revision;
  await queries.query('insert into integration_revisions values ($1, $2, coalesce($3, now()), $4, $5, $6)', [
    integrationId,
    generation,
    time ? timestampDate(time) : null,
    withoutNul(caller),
    change,
    Buffer.from(toBinary(IntegrationSchema, integration!)),
  ]);
  // By their number: generations may have gaps.
  await queries.query(
    `delete from integration_revisions where integration_id = $1 and generation <=
       (select generation from integration_revisions where integration_id = $1 order by generation desc offset $2 limit 1)`,
    [integrationId, MAX_KEPT],
  );
}

/** The newest first, from before the generation `before` on. */
export async function listRevisions(
  queries: Queries,
  integrationId: string,
  page: { readonly before: number | undefined; readonly limit: number },
): Promise<Revision[]> {
  const rows = await queries.query<Row>(
    `select * from integration_revisions where integration_id = $1 and ($2::bigint is null or generation < $2)
     order by generation desc limit $3`,
    [integrationId, page.before ?? null, page.limit],
  );
  return rows.map(toRevision);
}

export async function findRevision(
  queries: Queries,
  integrationId: string,
  generation: bigint,
): Promise<Revision | undefined> {
  const sql = 'select * from integration_revisions where integration_id = $1 and generation = $2';
  const [row] = await queries.query<Row>(sql, [integrationId, generation]);
  return row && toRevision(row);
}

/** Deletes up to `limit` revisions of integrations that were deleted more than `ttl` milliseconds ago. Answers how many. */
export async function deleteOldRevisions(queries: Queries, ttl: number, limit: number): Promise<number> {
  const rows = await queries.query(
    `delete from integration_revisions where (integration_id, generation) in
       (select integration_id, generation from integration_revisions
        where delete_time < now() - $1 * interval '1 millisecond' order by delete_time limit $2)
     returning generation`,
    [ttl, limit],
  );
  return rows.length;
}

function toRevision({ integration_id, generation, time, caller, change, integration }: Row): Revision {
  return create(RevisionSchema, {
    integrationId: integration_id,
    generation: BigInt(generation),
    time: timestampFromDate(time),
    caller,
    change,
    integration: fromBinary(IntegrationSchema, integration),
  });
}
