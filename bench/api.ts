import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Client } from 'pg';
import { DeadLetterService } from '../gen/penstock/v1/dead_letter_service_pb.ts';
import { FailureClass } from '../gen/penstock/v1/envelope_pb.ts';
import { IntegrationSchema, IntegrationState, IntegrationType } from '../gen/penstock/v1/integration_pb.ts';
import {
  type IntegrationFilterSchema,
  IntegrationService,
  type ListIntegrationsRequestSchema,
} from '../gen/penstock/v1/integration_service_pb.ts';
import { RevisionService } from '../gen/penstock/v1/revision_service_pb.ts';
import { createKafkaBus } from '../src/bus/kafka-bus.ts';
import { startControlPlane } from '../src/control-plane/control-plane.ts';
import { labelTexts } from '../src/control-plane/store/integrations.ts';
import { startKafka } from '../src/dev/kafka-server.ts';
import { startPostgres } from '../src/dev/postgres-server.ts';
import { createClient } from '../src/rpc/grpcjs.ts';
import { startRpcServer } from '../src/rpc/server.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { createLogger } from '../src/runtime/logger.ts';
import { CONFIG } from '../test/helpers/control-plane.ts';
import { deadLetter } from '../test/helpers/messages.ts';
import { testDeps } from '../test/helpers/test-deps.ts';
import { topics } from './rig.ts';

const STORED = 100_000;
const DEAD_LETTERS = 200_000;
const AT_A_TIME = 5000;
const CALLS = 40;
/** Calls before that are not counted: what is compiled only when it has run often. */
const WARM_UP = 20;

/** What pages of lists take, by gRPC: of 100,000 stored integrations, and of 200,000 dead letters of one. */
export async function measureApi(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const { bus, postgresUrl, address } = await openControlPlane(stack);
  const ids = await store(postgresUrl);
  const client = stack.use(createClient(IntegrationService, address));
  const revisions = stack.use(createClient(RevisionService, address));
  const deadLetters = stack.use(createClient(DeadLetterService, address));
  await client.listIntegrations({ filter: { states: [IntegrationState.ACTIVE] } }); // waits for all states to be computed
  await vacuum(postgresUrl);
  const results: Record<string, object> = {};
  const { ACTIVE, PENDING, DISABLED } = IntegrationState;
  const filters: Record<string, MessageInitShape<typeof IntegrationFilterSchema>> = {
    'all integrations': {},
    'active (two in three)': { states: [ACTIVE] },
    'pending (one in a hundred)': { states: [PENDING] },
    'active or disabled': { states: [ACTIVE, DISABLED] },
    'by a text that few have': { text: 'BUILDING 77' },
    'by a text that nobody has': { text: 'nowhere', states: [ACTIVE] },
    'by a type that nobody has': { types: [IntegrationType.KAFKA] },
  };
  for (const [name, filter] of Object.entries(filters)) {
    results[name] = await timesOf(() => client.listIntegrations({ filter }));
  }
  const labels = { rare: { site: '77' }, common: { team: 'energy' } };
  const ordered: Record<string, MessageInitShape<typeof ListIntegrationsRequestSchema>> = {
    'by the last change': { orderBy: 'update_time desc' },
    'disabled, by name': { filter: { states: [DISABLED] }, orderBy: 'name' },
    'by a text, by name': { filter: { text: 'BUILDING 77' }, orderBy: 'name desc' },
    'by a label of one in 500': { filter: { labels: labels.rare } },
    'by a label of one in 500, by name': { filter: { labels: labels.rare }, orderBy: 'name' },
    'by a label of one in two': { filter: { labels: labels.common } },
    'by both labels and a text': { filter: { labels: { ...labels.rare, ...labels.common }, text: '7' } },
    'by a label of one in two and a text of none': { filter: { labels: labels.common, text: 'nowhere' } },
  };
  for (const [name, request] of Object.entries(ordered)) {
    results[name] = await timesOf(() => client.listIntegrations(request));
  }
  const integrationId = ids[0]!;
  results['revisions of one'] = await timesOf(() => revisions.listRevisions({ integrationId }));
  await bus.createTopics([topics.deadLetters(integrationId)]);
  for (let n = 0; n < DEAD_LETTERS; n += AT_A_TIME) {
    const { name } = topics.deadLetters(integrationId);
    const values = Array.from({ length: AT_A_TIME }, (_, i) => deadLetter(n + i));
    await Promise.all(values.map((value, i) => bus.send(name, { key: `c${i}`, value })));
  }
  const none = { failureClasses: [FailureClass.TIMEOUT] };
  results['newest dead letters'] = await timesOf(() => deadLetters.listDeadLetters({ integrationId }));
  results['dead letters by a class of none'] = await timesOf(() =>
    deadLetters.listDeadLetters({ integrationId, filter: none }),
  );
  return results;
}

async function openControlPlane(stack: AsyncDisposableStack) {
  const directory = async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'penstock-bench-'));
    stack.defer(() => rm(dataDir, { recursive: true, force: true }));
    return { dataDir, progress: () => {}, clock: systemClock };
  };
  const kafka = stack.use(await startKafka({ ...(await directory()), isOpen: true }));
  const postgres = stack.use(await startPostgres(await directory()));
  const logger = createLogger('error', systemClock, (line) => process.stderr.write(line));
  const deps = { ...testDeps(), logger };
  const brokers = [kafka.bootstrapServers];
  const bus = stack.use(createKafkaBus({ brokers, clientId: 'bench', replication: 1 }, deps));
  const all = { ...deps, bus, topics };
  const controlPlane = stack.use(await startControlPlane({ ...CONFIG, postgresUrl: postgres.url }, all));
  const ports = { host: '127.0.0.1', grpcPort: 0, httpPort: 0 };
  const server = stack.use(await startRpcServer({ ...all, ...ports, services: controlPlane.services }));
  return { bus, postgresUrl: postgres.url, address: server.grpcAddress };
}

/** Stores integrations past the API: two in three run on an executor, one in a hundred waits, the others are disabled. */
async function store(postgresUrl: string): Promise<string[]> {
  const client = new Client({ connectionString: postgresUrl });
  await client.connect();
  const ids = Array.from({ length: STORED }, () => randomUUID());
  const begin = Date.now() - STORED;
  await client.query(
    `insert into nodes values ('e', to_timestamp(0), now(), now() + interval '1 hour', false, '')`,
  );
  for (let n = 0; n < STORED; n += AT_A_TIME) {
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
       select id, 0, 'e', 1, now(), $2, '', now() from unnest($1::uuid[]) with ordinality as one (id, n) where n % 100 > 0`,
      [some.map(({ id }) => id), IntegrationState.ACTIVE],
    );
  }
  await client.query(
    `insert into integration_revisions select id, n, now(), 'somebody', 2, config from integrations,
       generate_series(1, case when id = $1 then 100 else 2 end) as n`,
    [ids[0]],
  );
  await client.end();
  return ids;
}

async function vacuum(postgresUrl: string): Promise<void> {
  const client = new Client({ connectionString: postgresUrl });
  await client.connect();
  await client.query('vacuum analyze');
  await client.end();
}

async function timesOf(call: () => Promise<unknown>): Promise<object> {
  for (let i = 0; i < WARM_UP; i++) await call();
  const times: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    const begin = performance.now();
    await call();
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => Number(times[Math.floor(share * CALLS)]!.toFixed(1));
  return { 'p50 ms': at(0.5), 'p95 ms': at(0.95) };
}
