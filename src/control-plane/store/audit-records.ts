import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type AuditRecord, AuditRecordSchema } from '../../../gen/penstock/v1/audit_service_pb.ts';
import type { Queries } from './database.ts';
import { type Position, withoutNul } from './integrations.ts';
import { partitionedByTime } from './time-partitions.ts';

/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const AUDIT_RECORDS = /* sql */ `
  create table audit_records (
    id       uuid primary key,
    time     timestamptz not null,
    caller   text not null,
    -- By bytes, so that what begins with a name is found whatever the language of the database.
    method   text collate "C" not null,
    resource text not null,
    refused  boolean not null,
    -- The encoded penstock.v1.AuditRecord.
    record   bytea not null
  );
  create index audit_by_time on audit_records (time, id);
  create index audit_by_caller on audit_records (caller, time, id);
  create index audit_by_method on audit_records (method, time, id);
  create index audit_by_resource on audit_records (resource, time, id);
  create index audit_refused on audit_records (time, id) where refused;
  ${partitionedByTime('audit_records')}
  `;

/** Which records: those for which everything set here is true. */
export interface AuditSelection {
  readonly caller?: string | undefined;
  /** The RPC, or all of a service by its name. */
  readonly method?: string | undefined;
  readonly resource?: string | undefined;
  readonly start?: Date | undefined;
  readonly end?: Date | undefined;
  readonly isRefused: boolean;
}

/** Where it is there already, that one stays. */
export async function insertAuditRecord(queries: Queries, record: AuditRecord): Promise<void> {
  const sql = 'insert into audit_records values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing';
  await queries.query(sql, [
    record.id,
    timestampDate(record.time!),
    withoutNul(record.caller),
    record.method,
    withoutNul(record.resource),
    record.code !== 0,
    Buffer.from(toBinary(AuditRecordSchema, record)),
  ]);
}

/** The newest first, from before `before` on. */
export async function listAuditRecords(
  queries: Queries,
  { caller, method, resource, start, end, isRefused }: AuditSelection,
  page: { readonly before: Position | undefined; readonly limit: number },
): Promise<AuditRecord[]> {
  const values: unknown[] = [page.limit];
  const given = (value: unknown) => `$${values.push(value)}`;
  const conditions = ['true'];
  if (caller !== undefined) conditions.push(`caller = ${given(withoutNul(caller))}`);
  if (resource !== undefined) conditions.push(`resource = ${given(withoutNul(resource))}`);
  if (method !== undefined) {
    const name = given(withoutNul(method));
    // Slash and zero: names of RPCs follow that of their service behind a slash.
    conditions.push(
      method.includes('/') ? `method = ${name}` : `method > ${name} || '/' and method < ${name} || '0'`,
    );
  }
  if (start) conditions.push(`time >= ${given(start)}`);
  if (end) conditions.push(`time < ${given(end)}`);
  if (isRefused) conditions.push('refused');
  if (page.before) {
    const time = given(page.before.time);
    conditions.push(`time <= ${time} and (time, id) < (${time}, ${given(page.before.id)})`);
  }
  const rows = await queries.query<{ record: Uint8Array }>(
    `select record from audit_records where ${conditions.join(' and ')} order by time desc, id desc limit $1`,
    values,
  );
  return rows.map(({ record }) => fromBinary(AuditRecordSchema, record));
}
