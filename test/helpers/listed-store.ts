import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import {
  type IntegrationFilterSchema,
  ListIntegrationsRequestSchema,
} from '../../gen/penstock/v1/integration_service_pb.ts';
import type { RouteDeps } from '../../src/control-plane/routes/deps.ts';
import { listIntegrationsRoute } from '../../src/control-plane/routes/list-integrations.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { type Labels, labelTexts, withoutNul } from '../../src/control-plane/store/integrations.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { ANYBODY } from './anybody.ts';
import { databaseForTests } from './postgres.ts';
import { testDeps } from './test-deps.ts';

/** Rows inserted at a time. */
const AT_A_TIME = 1000;

/** A real PostgreSQL with the schema, and the lists that a caller gets from it. */
export async function storeForTests(t: TestContext) {
  const url = await databaseForTests(t);
  const deps = testDeps();
  await migrate(url, 10_000, deps);
  const db = new Database(url, deps);
  t.after(() => db[Symbol.asyncDispose]());
  const list = (
    filter: MessageInitShape<typeof IntegrationFilterSchema>,
    pageSize = 50,
    pageToken = '',
    orderBy = '',
  ) => {
    const request = create(ListIntegrationsRequestSchema, { filter, pageSize, pageToken, orderBy });
    return listIntegrationsRoute({ db } as unknown as RouteDeps, request, { caller: ANYBODY });
  };
  return { url, db, list };
}

export type Store = Awaited<ReturnType<typeof storeForTests>>;

export interface Row {
  readonly name: string;
  readonly description?: string;
  readonly enabled?: boolean;
  readonly labels?: Labels;
  /** Milliseconds after it was created. */
  readonly updated?: number;
}

/** As any version of the control plane inserts them. */
export async function insert({ db }: Pick<Store, 'db'>, rows: readonly Row[], step = 1): Promise<string[]> {
  const begin = Date.now();
  const made = rows.map((row, i): Integration => {
    const { name, description = '', enabled = true, labels = {}, updated = 0 } = row;
    const time = timestampFromMs(begin + i * step);
    return create(IntegrationSchema, {
      id: randomUUID(),
      name,
      description,
      enabled,
      labels: { ...labels },
      generation: 1n,
      topicFilters: ['#'],
      createTime: time,
      updateTime: timestampFromMs(begin + i * step + updated),
      configuration: { case: 'http', value: { restEndpointUrl: 'http://127.0.0.1/' } },
    });
  });
  for (let n = 0; n < made.length; n += AT_A_TIME) {
    const some = made.slice(n, n + AT_A_TIME);
    await db.query(
      `insert into integrations (id, name, description, type, enabled, enabled_change_time, generation, config,
       create_time, update_time, labels)
     select id, name, description, 'http', enabled, time, 1, config, time, update_time,
       array(select jsonb_array_elements_text(labels))
     from unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::bytea[], $6::timestamptz[], $7::timestamptz[],
       $8::jsonb[]) as made (id, name, description, enabled, config, time, update_time, labels)`,
      [
        some.map(({ id }) => id),
        some.map(({ name }) => withoutNul(name)),
        some.map(({ description }) => description),
        some.map(({ enabled }) => enabled),
        some.map((one) => Buffer.from(toBinary(IntegrationSchema, one))),
        some.map(({ createTime }) => timestampDate(createTime!)),
        some.map(({ updateTime }) => timestampDate(updateTime!)),
        some.map(({ labels }) => JSON.stringify(labelTexts(labels))),
      ],
    );
  }
  return made.map(({ id }) => id);
}
