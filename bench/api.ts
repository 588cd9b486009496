import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { AuditService } from '../gen/penstock/v1/audit_service_pb.ts';
import { ClusterService } from '../gen/penstock/v1/cluster_service_pb.ts';
import { DeadLetterService } from '../gen/penstock/v1/dead_letter_service_pb.ts';
import { FailureClass } from '../gen/penstock/v1/envelope_pb.ts';
import { EventService } from '../gen/penstock/v1/event_service_pb.ts';
import { IntegrationService } from '../gen/penstock/v1/integration_service_pb.ts';
import { ReplayService } from '../gen/penstock/v1/replay_service_pb.ts';
import { RevisionService } from '../gen/penstock/v1/revision_service_pb.ts';
import { StatisticsService } from '../gen/penstock/v1/statistics_service_pb.ts';
import type { Bus } from '../src/bus/bus.ts';
import { createKafkaBus } from '../src/bus/kafka-bus.ts';
import { startControlPlane } from '../src/control-plane/control-plane.ts';
import { Database } from '../src/control-plane/store/database.ts';
import { eventsSince, settledVersion } from '../src/control-plane/store/versions.ts';
import { startKafka } from '../src/dev/kafka-server.ts';
import { startPostgres } from '../src/dev/postgres-server.ts';
import { createClient } from '../src/rpc/grpcjs.ts';
import { startRpcServer } from '../src/rpc/server.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { createLogger } from '../src/runtime/logger.ts';
import { CONFIG } from '../test/helpers/control-plane.ts';
import { deadLetter } from '../test/helpers/messages.ts';
import { testDeps } from '../test/helpers/test-deps.ts';
import { waitUntil } from '../test/helpers/wait-until.ts';
import { calls } from './api-calls.ts';
import { storeEvents, storeIntegrations, storeReplays } from './api-store.ts';
import { callsForFigures, storeFigures } from './figures.ts';
import { topics } from './rig.ts';

const DEAD_LETTERS = 200_000;
const AT_A_TIME = 5000;
/** What each call is to take at most, for 19 of 20. */
const GOAL = 50;
const CALLS = 60;
/** Calls before that are not counted: what is compiled only when it has run often. */
const WARM_UP = 20;
const WEEK = 7 * 86_400_000;

/**
 * What lists, gets and watches take, by gRPC, with 100,000 integrations, 10 million events, 100,000 replays, 200,000 dead
 * letters of one integration, and the figures of a month of 1,000.
 */
export async function measureApi(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const { bus, postgresUrl, address } = await openControlPlane(stack);
  const client = new Client({ connectionString: postgresUrl });
  await client.connect();
  stack.defer(() => client.end());
  await waitUntil('parts for the events', async () => {
    const { rows } = await client.query("select from time_partitions where parent = 'events'");
    return rows.length >= WEEK / 86_400_000;
  });
  const ids = await storeIntegrations(client);
  await storeEvents(client, ids);
  await storeReplays(client, ids);
  await storeFigures(client, ids);
  const integrationId = ids[0]!;
  await storeDeadLetters(bus, integrationId);
  const integrations = stack.use(createClient(IntegrationService, address));
  const events = stack.use(createClient(EventService, address));
  const replays = stack.use(createClient(ReplayService, address));
  const audit = stack.use(createClient(AuditService, address));
  const revisions = stack.use(createClient(RevisionService, address));
  const cluster = stack.use(createClient(ClusterService, address));
  const statistics = stack.use(createClient(StatisticsService, address));
  const deadLetters = stack.use(createClient(DeadLetterService, address));
  // Waits for all states to be computed.
  await waitUntil(
    'the states',
    async () => {
      const { rows } = await client.query('select from uncounted_services');
      return rows.length === 0;
    },
    600_000,
  );
  await client.query('vacuum analyze');

  const db = stack.use(new Database(postgresUrl, testDeps()));
  const since = { version: await settledVersion(db), event: undefined };
  const none = { failureClasses: [FailureClass.TIMEOUT] };
  const measured = {
    ...(await calls({ integrations, events, replays, revisions, audit, cluster }, integrationId)),
    ...callsForFigures({ statistics, db }, ids),
    'what a watch of events asks': async () => eventsSince(db, {}, since, await settledVersion(db), 500),
    'newest dead letters': () => deadLetters.listDeadLetters({ integrationId }),
    'dead letters by a class of none': () => deadLetters.listDeadLetters({ integrationId, filter: none }),
  };
  const results: Record<string, object> = {};
  for (const [name, call] of Object.entries(measured)) {
    results[name] = await timesOf(call);
  }
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
  // Nobody looks for the topics of the integrations, which are not there.
  const config = { ...CONFIG, eventsTtl: WEEK, orphanDelay: WEEK, postgresUrl: postgres.url };
  const controlPlane = stack.use(await startControlPlane(config, all));
  const ports = { host: '127.0.0.1', grpcPort: 0, httpPort: 0 };
  const server = stack.use(await startRpcServer({ ...all, ...ports, services: controlPlane.services }));
  return { bus, postgresUrl: postgres.url, address: server.grpcAddress };
}

async function storeDeadLetters(bus: Bus, integrationId: string): Promise<void> {
  await bus.createTopics([topics.deadLetters(integrationId)]);
  const { name } = topics.deadLetters(integrationId);
  for (let n = 0; n < DEAD_LETTERS; n += AT_A_TIME) {
    const values = Array.from({ length: AT_A_TIME }, (_, i) => deadLetter(n + i));
    await Promise.all(values.map((value, i) => bus.send(name, { key: `c${i}`, value })));
  }
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
  return { 'p50 ms': at(0.5), 'p95 ms': at(0.95), 'goal p95 ms': GOAL, isMet: at(0.95) <= GOAL };
}
