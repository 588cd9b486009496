import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import {
  type Integration,
  IntegrationSchema,
  type IntegrationState,
} from '../../../gen/penstock/v1/integration_pb.ts';
import type { Type } from '../../contract/integration-type.ts';
import type { Queries } from './database.ts';

/**
 * The message topic of an integration. Only that of one that is disabled for long is not `kept`: `withdrawn`, ingress is
 * told to write to it no more; `deleting`, it is being deleted; `deleted`, it is not there.
 */
export type TopicState = 'kept' | 'withdrawn' | 'deleting' | 'deleted';

/** An integration as it is kept: with its secrets, without its status. */
export interface StoredIntegration {
  readonly integration: Integration;
  /** The name of its type, which only a newer version may know: then the integration has no configuration here. */
  readonly type: string;
  /** When `enabled` last changed. */
  readonly enabledChangeTime: Date;
  readonly topicState: TopicState;
  /** Which of its message topics that is, from 1: one more each time that it was made anew. */
  readonly topicIncarnation: number;
}

/** Which integrations: those for which everything set here is true. */
export interface IntegrationSelection {
  readonly types?: readonly Type[];
  /** In one of these states, as they were computed last: see `countNodes`. */
  readonly states?: readonly IntegrationState[];
  /** In name or description, in any case. */
  readonly text?: string;
  readonly ids?: readonly string[];
}

/** A place in a list that is ordered by time and id. */
export interface Position {
  readonly time: Date;
  readonly id: string;
}

/** What `COLUMNS` selects. */
export type IntegrationRow = {
  config: Uint8Array;
  type: string;
  enabled_change_time: Date;
  topic_state: TopicState;
  topic_incarnation: number;
};

export const COLUMNS = 'config, integrations.type, enabled_change_time, topic_state, topic_incarnation';
/** A listed integration that passes, by `parametersOf`. */
export const SELECTED = `($1::text[] is null or type = any($1))
  and ($2::text is null or strpos(text, lower($2)) > 0)
  and ($3::uuid[] is null or integration_id = any($3))
  and ($4::smallint[] is null or state = any($4))`;

export const toStored = (row: IntegrationRow): StoredIntegration => ({
  integration: fromBinary(IntegrationSchema, row.config),
  type: row.type,
  enabledChangeTime: row.enabled_change_time,
  topicState: row.topic_state,
  topicIncarnation: row.topic_incarnation,
});

/** With `lock`, nobody else changes it, nor writes downlink records of it, until the transaction ends. */
export async function findIntegration(
  queries: Queries,
  id: string,
  lock = false,
): Promise<StoredIntegration | undefined> {
  const sql = `select ${COLUMNS} from integrations where id = $1 ${lock ? 'for update' : ''}`;
  const [row] = await queries.query<IntegrationRow>(sql, [id]);
  return row && toStored(row);
}

/** What a create request with this id has made since `since`. */
export async function findCreated(
  queries: Queries,
  requestId: string,
  since: Date,
): Promise<StoredIntegration | undefined> {
  const sql = `select ${COLUMNS} from integrations where request_id = $1 and create_time > $2`;
  const [row] = await queries.query<IntegrationRow>(sql, [requestId, since]);
  return row && toStored(row);
}

/** False when the request id was used before, since `since`. */
export async function insertIntegration(
  queries: Queries,
  { integration, type, enabledChangeTime }: StoredIntegration,
  requestId: string | undefined,
  since: Date,
): Promise<boolean> {
  if (requestId !== undefined) {
    await queries.query(
      'update integrations set request_id = null where request_id = $1 and create_time <= $2',
      [requestId, since],
    );
  }
  const rows = await queries.query(
    `insert into integrations (id, name, description, enabled, generation, config, update_time, enabled_change_time,
       type, request_id, create_time)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (request_id) do nothing returning id`,
    [...columnsOf(integration), enabledChangeTime, type, requestId ?? null, dateOf(integration.createTime)],
  );
  return rows.length === 1;
}

export async function replaceIntegration(
  queries: Queries,
  { integration, enabledChangeTime, topicState }: StoredIntegration,
): Promise<void> {
  await queries.query(
    `update integrations set name = $2, description = $3, enabled = $4, generation = $5, config = $6, update_time = $7,
       enabled_change_time = $8, topic_state = $9 where id = $1`,
    [...columnsOf(integration), enabledChangeTime, topicState],
  );
}

export async function removeIntegration(queries: Queries, id: string): Promise<void> {
  await queries.query('delete from integrations where id = $1', [id]);
}

/** The oldest first, from after `after` on; without a limit all of them. */
export async function listIntegrations(
  queries: Queries,
  selection: IntegrationSelection,
  page: { readonly after?: Position | undefined; readonly limit?: number } = {},
): Promise<StoredIntegration[]> {
  const rows = await queries.query<IntegrationRow>(
    `select ${COLUMNS} from (
       select integration_id, create_time from listed_integrations where ${SELECTED}
         and text <> '' and ($5::timestamptz is null or (create_time, integration_id) > ($5, $6::uuid))
       order by create_time, integration_id limit $7) as listed
     join integrations on id = integration_id order by listed.create_time, id`,
    [...parametersOf(selection), page.after?.time ?? null, page.after?.id ?? null, page.limit ?? null],
  );
  return rows.map(toStored);
}

function columnsOf(integration: Integration): unknown[] {
  const { id, name, description, enabled, generation, updateTime } = integration;
  const config = toBinary(IntegrationSchema, integration);
  return [id, withoutNul(name), withoutNul(description), enabled, generation, config, dateOf(updateTime)];
}

export function parametersOf({ types, text, ids, states }: IntegrationSelection): unknown[] {
  return [types ?? null, text === undefined ? null : withoutNul(text), ids ?? null, states ?? null];
}

// PostgreSQL's text holds no NUL; these columns are only searched.
const withoutNul = (text: string) => text.replaceAll('\0', '');

function dateOf(time: Timestamp | undefined): Date {
  if (time === undefined) throw new Error('an integration is stored with its times');
  return timestampDate(time);
}
