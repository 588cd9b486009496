import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Client } from 'pg';
import { IntegrationSchema, IntegrationState } from '../gen/penstock/v1/integration_pb.ts';
import { StartReplayRequestSchema } from '../gen/penstock/v1/replay_service_pb.ts';
import { UplinkRecordSchema } from '../gen/penstock/v1/uplink_pb.ts';
import { labelTexts } from '../src/control-plane/store/integrations.ts';

const STORED = 100_000;
/** Over a week. */
const EVENTS = 10_000_000;
const REPLAYS = 100_000;
const NODES = 20;
const AT_A_TIME = 5000;

/** Stores integrations past the API: two in three run on an executor, one in a hundred waits, the others are disabled. */
export async function storeIntegrations(client: Client, count = STORED): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  const begin = Date.now() - count;
  await client.query(
    `insert into nodes select 'e' || n, to_timestamp(0), now(), now() + interval '1 hour', false, ''
     from generate_series(0, ${NODES - 1}) as n`,
  );
  for (let n = 0; n < count; n += AT_A_TIME) {
    const some = ids.slice(n, n + AT_A_TIME).map((id, i) => {
      const time = timestampFromMs(begin + n + i);
      return create(IntegrationSchema, {
        id,
        name: `integration ${n + i}`,
        description: `forwards the sensors of building ${(n + i) % 500}`,
        enabled: (n + i) % 3 > 0,
        labels: { site: `${(n + i) % 500}`, team: (n + i) % 2 > 0 ? 'energy' : 'water' },
        topicFilters: ['a/b/#'],
        generation: 1n,
        createTime: time,
        updateTime: time,
        configuration: {
          case: 'http',
          value: { restEndpointUrl: 'http://example.com/in', headers: { a: 'b' } },
        },
      });
    });
    await client.query(
      `insert into integrations (id, name, description, type, enabled, enabled_change_time, generation, config,
         create_time, update_time, published_generation, labels)
       select id, name, description, 'http', enabled, time, 1, config, time, time, 1,
         array(select jsonb_array_elements_text(labels))
       from unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::bytea[], $6::timestamptz[], $7::jsonb[])
         as made (id, name, description, enabled, config, time, labels)`,
      [
        some.map(({ id }) => id),
        some.map(({ name }) => name),
        some.map(({ description }) => description),
        some.map(({ enabled }) => enabled),
        some.map((one) => Buffer.from(toBinary(IntegrationSchema, one))),
        some.map((_, i) => new Date(begin + n + i)),
        some.map((one) => JSON.stringify(labelTexts(one.labels))),
      ],
    );
    await client.query(
      `insert into executor_states (integration_id, shard, service_id, generation, time, state, reason, since)
       select id, 0, 'e' || n % ${NODES}, 1, now(), $2, '', now() from unnest($1::uuid[]) with ordinality as one (id, n) where n % 100 > 0`,
      [some.map(({ id }) => id), IntegrationState.ACTIVE],
    );
    await client.query(
      `insert into executor_statistics (integration_id, shard, service_id, time, lag, last_delivered_time, event_time)
       select id, 0, 'e' || n % ${NODES}, now(), 3, now(), now() from unnest($1::uuid[]) with ordinality as one (id, n)
       where n % 100 > 0`,
      [some.map(({ id }) => id)],
    );
  }
  await client.query(
    `insert into integration_revisions select id, n, now(), 'somebody', 2, config from integrations,
       generate_series(1, case when id = $1 then 100 else 2 end) as n`,
    [ids[0]],
  );
  return ids;
}

/**
 * Stores events past the API into the parts that are there, even over the last week: in a thousand one of a start, twenty
 * errors, the others figures, of one integration after the other.
 */
export async function storeEvents(client: Client, ids: readonly string[]): Promise<void> {
  await client.query(
    'create temporary table numbered as select id, n - 1 as n from unnest($1::uuid[]) with ordinality as t (id, n)',
    [ids],
  );
  await client.query(
    'create unique index on numbered (n); analyze numbered; set synchronous_commit = off; set work_mem = 65536; set maintenance_work_mem = 524288',
  );
  const { rows } = await client.query<{ name: string }>(
    "select name from time_partitions where parent = 'events' order by start_time",
  );
  const record = toBinary(
    UplinkRecordSchema,
    create(UplinkRecordSchema, {
      integrationId: ids[0]!,
      generation: 1n,
      serviceId: 'e0',
      time: timestampFromMs(Date.now()),
      eventId: randomUUID(),
      report: { case: 'statistics', value: { lag: 12n, lastDeliveredTime: timestampFromMs(Date.now()) } },
    }),
  );
  await client.query('create temporary table span as select now() as until');
  for (const { name } of rows) {
    const indexes = await dropIndexes(client, name);
    await client.query(
      `insert into ${name} (id, integration_id, kind, time, record, version)
       select gen_random_uuid(), numbered.id,
         case when (e.n + e.n / $4) % 1000 = 0 then 1 when (e.n + e.n / $4) % 50 = 0 then 3 else 2 end, e.time, $1, 5 + e.n / 100
       from (select n, start_time, end_time, until - ($2 - n) * (interval '7 days' / $2) as time
             from (select *, floor(extract(epoch from until - start_time) * $2 / 604800)::bigint as first,
                     floor(extract(epoch from until - end_time) * $2 / 604800)::bigint as last
                   from time_partitions, span where name = $3) as part,
               generate_series(greatest(1, $2::bigint - first), least($2, $2 - last)) as n) as e
       join numbered on numbered.n = e.n % $4 where e.time >= start_time and e.time < end_time`,
      [Buffer.from(record), EVENTS, name, ids.length],
    );
    for (const sql of indexes) await client.query(sql);
  }
  await client.query("select setval('versions', $1)", [10 + EVENTS / 100]);
}

/** Answers what makes them anew: they are made much faster than they grow. */
async function dropIndexes(client: Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string; sql: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as sql from pg_index
     where indrelid = $1::regclass and not indisprimary`,
    [table],
  );
  for (const { name } of rows) await client.query(`drop index ${name}`);
  return rows.map(({ sql }) => sql);
}

/** Stores replays past the API that ended, each of an integration into another. */
export async function storeReplays(client: Client, ids: readonly string[]): Promise<void> {
  const request = toBinary(
    StartReplayRequestSchema,
    create(StartReplayRequestSchema, { integrationId: ids[0]!, targetIntegrationId: ids[1]! }),
  );
  await client.query(
    `insert into jobs (id, kind, integration_id, target_integration_id, request, state, reason, total, replayed, create_time, finish_time)
     select gen_random_uuid(), 'replay', a.id, b.id, $1, 2, '', 1000, 1000, now() - a.n * interval '5 seconds', now() - a.n * interval '5 seconds'
     from numbered a join numbered b on b.n = (a.n + 7) % $2 where a.n < $3`,
    [Buffer.from(request), ids.length, REPLAYS],
  );
}
