import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import type { QueryResultRow } from 'pg';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import type { WatchIntegrationsResponse } from '../../gen/penstock/v1/integration_service_pb.ts';
import type { Queries } from '../../src/control-plane/store/database.ts';
import { IntegrationFeed } from '../../src/control-plane/watches/integration-feed.ts';
import { IntegrationWatch } from '../../src/control-plane/watches/integration-watch.ts';
import { ANYBODY } from '../helpers/anybody.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const START = new Date(0);

function rowOf(n: number) {
  const id = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const integration = create(IntegrationSchema, { id, name: `integration-${n}`, generation: 1n });
  return {
    ...{ id, name: integration.name, type: 'http', version: '1', text: integration.name, time: START },
    ...{ create_time: START, update_time: START, enabled_change_time: START, generation: '1', enabled: true },
    ...{ config: Buffer.from(toBinary(IntegrationSchema, integration)), etag: 'a', sealed: null },
    ...{ topic_state: 'there', topic_incarnation: '0' },
  };
}

/** A database of integrations that takes its time to load them. */
function slowDatabase(
  clock: ManualClock,
  rows: readonly ReturnType<typeof rowOf>[],
  changed: readonly string[] = [],
): Queries {
  const answerTo = (sql: string, values: readonly unknown[]): readonly object[] => {
    if (sql.includes('from versions')) return [{ version: '1' }];
    if (sql.includes('union select')) return changed.map((id) => ({ id }));
    if (sql.includes('pg_locks')) return [{ version: null }];
    if (sql.includes('listed_integrations where')) return rows;
    if (!sql.includes('integrations.version::text')) return [];
    clock.advance(5);
    const ids = values[0] as readonly string[];
    return rows.filter(({ id }) => ids.includes(id));
  };
  return {
    query: async <R extends QueryResultRow>(sql: string, values: readonly unknown[] = []) =>
      answerTo(sql, values) as R[],
  };
}

test('what gets old while others are loaded is told all the same', async () => {
  const clock = new ManualClock();
  const rows = Array.from({ length: 100 }, (_, n) => rowOf(n));
  const feed = new IntegrationFeed(slowDatabase(clock, rows), clock);
  await feed.turn();
  const { signal } = new AbortController();
  const told = async () => {
    const page = await feed.page({}, undefined, signal);
    return page.told.flatMap(({ watched }) => watched?.integration.name ?? []);
  };
  const names = rows.map(({ name }) => name);
  assert.deepEqual(await told(), names);

  clock.advance(1998); // young still, and no more when the one that changed was loaded
  rows[99]!.version = '2';
  assert.deepEqual(await told(), names);
});

test('a watch is synced only once what changed while it was loaded is told', async () => {
  const clock = new ManualClock();
  const rows = [rowOf(0), rowOf(1)];
  const changed: string[] = [];
  const feed = new IntegrationFeed(slowDatabase(clock, rows, changed), clock);
  await feed.turn();
  const watch = new IntegrationWatch(ANYBODY, undefined);
  const feeds = { join: () => ({ feed, [Symbol.dispose]() {} }) };
  const lists = watch.lists(feeds, new AbortController().signal);
  const first = (await lists.next()).value; // made while it is read, and not read yet
  const etag = 'new';
  const config = create(IntegrationSchema, { id: rows[0]!.id, name: 'integration-0', etag });
  Object.assign(rows[0]!, { version: '2', config: Buffer.from(toBinary(IntegrationSchema, config)) });
  changed.push(rows[0]!.id);
  await feed.turn();
  const told = (list: unknown) =>
    list === 'synced'
      ? list
      : [...(list as Iterable<WatchIntegrationsResponse>)].map(({ integration }) => [
          integration?.name,
          integration?.etag,
        ]);
  assert.deepEqual(told(first), [['integration-1', '']]);
  assert.deepEqual(told((await lists.next()).value), [['integration-0', etag]]);
  assert.equal(told((await lists.next()).value), 'synced');
  await lists.return(undefined);
});
