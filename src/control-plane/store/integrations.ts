import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { SealedSecretsSchema } from '../../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema, type IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Type } from '../../contract/integration-type.ts';
import type { SealedIntegration } from '../../contract/sealed-secrets.ts';
import { setSecretPaths } from '../../contract/secrets.ts';
import type { Queries } from './database.ts';

/**
 * The message topic of an integration. Only that of one that is disabled for long is not `kept`: `withdrawn`, ingress is
 * told to write to it no more; `deleting`, it is being deleted; `deleted`, it is not there.
 */
export type TopicState = 'kept' | 'withdrawn' | 'deleting' | 'deleted';

/**
 * An integration as it is kept: without its status, its secrets sealed. One that was stored before secrets were sealed has
 * them in clear text.
 */
export interface StoredIntegration extends SealedIntegration {
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
  /** With all of these labels, as `labelTexts` writes them. */
  readonly labels?: readonly string[];
  /** The name begins with this. */
  readonly namePrefix?: string;
  readonly ids?: readonly string[];
}

export type Labels = Readonly<Record<string, string>>;

/** A place in a list that is ordered by time and id. */
export interface Position {
  readonly time: Date;
  readonly id: string;
}

/** What `COLUMNS` selects. */
export type IntegrationRow = {
  config: Uint8Array;
  sealed: Uint8Array | null;
  type: string;
  enabled_change_time: Date;
  topic_state: TopicState;
  topic_incarnation: number;
};

export const COLUMNS =
  'config, sealed, integrations.type, enabled_change_time, topic_state, topic_incarnation';
/** A listed integration that passes, by `parametersOf`, as far as no index of its own finds it. */
export const PASSES = `($1::text[] is null or type = any($1))
  and ($2::text is null or strpos(text, lower($2)) > 0)
  and ($3::uuid[] is null or integration_id = any($3))
  and ($4::smallint[] is null or state = any($4))`;
/** By what an index finds it, if it is asked for. */
export const LABELLED = `($5::text[] is null or labels @> $5) and ($6::text is null or name like $6)`;
export const SELECTED = `${PASSES} and ${LABELLED}`;

export const toStored = (row: IntegrationRow): StoredIntegration => ({
  integration: fromBinary(IntegrationSchema, row.config),
  sealed: row.sealed ? fromBinary(SealedSecretsSchema, row.sealed).secrets : [],
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

/** Those of them that are there. With `lock`, nobody changes them until the transaction ends. */
export async function findIntegrations(
  queries: Queries,
  ids: readonly string[],
  lock: boolean,
): Promise<StoredIntegration[]> {
  const sql = `select ${COLUMNS} from integrations where id = any($1) order by id ${lock ? 'for share' : ''}`;
  return (await queries.query<IntegrationRow>(sql, [ids])).map(toStored);
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
  stored: StoredIntegration,
  requestId: string | undefined,
  since: Date,
): Promise<boolean> {
  const { integration, type, enabledChangeTime } = stored;
  if (requestId !== undefined) {
    await queries.query(
      'update integrations set request_id = null where request_id = $1 and create_time <= $2',
      [requestId, since],
    );
  }
  const rows = await queries.query(
    `insert into integrations (id, config, sealed, secret_keys, name, description, enabled, generation, update_time,
       labels, enabled_change_time, type, request_id, create_time)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) on conflict (request_id) do nothing returning id`,
    [...columnsOf(stored), enabledChangeTime, type, requestId ?? null, dateOf(integration.createTime)],
  );
  return rows.length === 1;
}

export async function replaceIntegration(queries: Queries, stored: StoredIntegration): Promise<void> {
  await queries.query(
    `update integrations set config = $2, sealed = $3, secret_keys = $4, name = $5, description = $6, enabled = $7,
       generation = $8, update_time = $9, labels = $10, enabled_change_time = $11, topic_state = $12
     where id = $1`,
    [...columnsOf(stored), stored.enabledChangeTime, stored.topicState],
  );
}

/** Writes the secrets of an integration as they are sealed now: nobody sees a change. */
export async function replaceSecrets(queries: Queries, stored: StoredIntegration): Promise<void> {
  const sql = 'update integrations set config = $2, sealed = $3, secret_keys = $4 where id = $1';
  await queries.query(sql, [stored.integration.id, ...secretColumnsOf(stored)]);
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
         and text <> '' and ($7::timestamptz is null or (create_time, integration_id) > ($7, $8::uuid))
       order by create_time, integration_id limit $9) as listed
     join integrations on id = integration_id order by listed.create_time, id`,
    [...parametersOf(selection), page.after?.time ?? null, page.after?.id ?? null, page.limit ?? null],
  );
  return rows.map(toStored);
}

function columnsOf(stored: StoredIntegration): unknown[] {
  const { id, name, description, enabled, generation, updateTime, labels } = stored.integration;
  const columns = [withoutNul(name), withoutNul(description), enabled, generation, dateOf(updateTime)];
  return [id, ...secretColumnsOf(stored), ...columns, labelTexts(labels)];
}

function secretColumnsOf({ integration, sealed }: SealedIntegration): unknown[] {
  const secrets = toBinary(SealedSecretsSchema, create(SealedSecretsSchema, { secrets: [...sealed] }));
  const isClear = setSecretPaths(IntegrationSchema, integration).length > 0;
  const keys = [...new Set(sealed.map(({ keyId }) => keyId))].toSorted();
  return [toBinary(IntegrationSchema, integration), secrets, isClear ? null : keys];
}

export function parametersOf(selection: IntegrationSelection): unknown[] {
  const { types, text, ids, states, labels, namePrefix } = selection;
  return [
    types ?? null,
    text === undefined ? null : withoutNul(text),
    ids ?? null,
    states ?? null,
    labels && labels.length > 0 ? labels : null,
    namePrefix === undefined ? null : startsWith(namePrefix),
  ];
}

/** The pattern of what begins like this. */
export const startsWith = (prefix: string): string => `${withoutNul(prefix).replaceAll(/[\\%_]/g, '\\$&')}%`;

/** Each as `key=value`: a key has no `=`. */
export const labelTexts = (labels: Labels): string[] =>
  Object.entries(labels).map(([key, value]) => withoutNul(`${key}=${value}`));

/** PostgreSQL's text holds no NUL; these columns are only searched. */
export const withoutNul = (text: string): string => text.replaceAll('\0', '');

function dateOf(time: Timestamp | undefined): Date {
  if (time === undefined) throw new Error('an integration is stored with its times');
  return timestampDate(time);
}
