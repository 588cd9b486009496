import type { Queries } from './database.ts';
import {
  COLUMNS,
  type IntegrationRow,
  type IntegrationSelection,
  type Position,
  parametersOf,
  SELECTED,
  type StoredIntegration,
  toStored,
  withoutNul,
} from './integrations.ts';

/** An integration for those who watch. */
export interface WatchedRow {
  readonly stored: StoredIntegration;
  /** Of its row: another one after each change. */
  readonly version: string;
  /** What filters look for texts in. */
  readonly text: string;
  readonly bytes: number;
}

/** Those of the ids that there are. */
export async function loadWatched(queries: Queries, ids: readonly string[]): Promise<WatchedRow[]> {
  if (ids.length === 0) return [];
  const rows = await queries.query<IntegrationRow & { version: string; text: string }>(
    `select ${COLUMNS}, integrations.version::text as version, text
     from integrations join listed_integrations on integration_id = id where id = any($1)`,
    [ids],
  );
  return rows.map((row) => {
    const bytes = row.config.length + row.text.length + 1000;
    return { stored: toStored(row), version: row.version, text: row.text, bytes };
  });
}

/** Where an integration is in the order of their making, and the version of its row. */
export interface Place extends Position {
  readonly version: string;
}

/** Up to `limit` that pass, the oldest first, from after `after` on. */
export function placesOf(
  queries: Queries,
  selection: IntegrationSelection,
  after: Position | undefined,
  limit: number,
): Promise<Place[]> {
  return queries.query<{ id: string; time: Date; version: string }>(
    `select id, listed.create_time as time, version::text as version from (
       select integration_id, create_time from listed_integrations where ${SELECTED}
         and text <> '' and ($7::timestamptz is null or (create_time, integration_id) > ($7, $8::uuid))
       order by create_time, integration_id limit $9) as listed
     join integrations on id = integration_id order by listed.create_time, id`,
    [...parametersOf(selection), after?.time ?? null, after?.id ?? null, limit],
  );
}

/** A text as filters look for it: what is small and large is for PostgreSQL to say. */
export async function lowerCaseOf(queries: Queries, text: string): Promise<string> {
  const [row] = await queries.query<{ text: string }>('select lower($1) as text', [withoutNul(text)]);
  return row!.text;
}
