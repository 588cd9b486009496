import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { AuthService } from '../gen/penstock/v1/auth_service_pb.ts';
import { freePorts } from '../src/dev/free-port.ts';
import { startKafka } from '../src/dev/kafka-server.ts';
import { startPostgres } from '../src/dev/postgres-server.ts';
import { createClient } from '../src/rpc/grpcjs.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { waitUntil } from '../test/helpers/wait-until.ts';
import { MeasuredChild } from './child.ts';

/** What control planes need, and a connection to their PostgreSQL. */
export interface Services {
  readonly kafka: string;
  readonly postgresUrl: string;
  readonly client: Client;
}

export async function openServices(stack: AsyncDisposableStack): Promise<Services> {
  const directory = async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'penstock-bench-'));
    stack.defer(() => rm(dataDir, { recursive: true, force: true }));
    return { dataDir, progress: () => {}, clock: systemClock };
  };
  const kafka = stack.use(await startKafka({ ...(await directory()), isOpen: true }));
  const postgres = stack.use(await startPostgres(await directory()));
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  stack.defer(() => client.end());
  return { kafka: kafka.bootstrapServers, postgresUrl: postgres.url, client };
}

/** A control plane in a process of its own, once it answers. */
export async function openControlPlane(
  stack: AsyncDisposableStack,
  { kafka, postgresUrl }: Services,
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly address: string; readonly node: MeasuredChild }> {
  const [port] = await freePorts(1);
  const node = stack.use(
    new MeasuredChild('../src/main.ts', ['control-plane', '--grpc-port', `${port}`, '--http-port', '0'], {
      TB_KAFKA_SERVERS: kafka,
      PENSTOCK_POSTGRES_URL: postgresUrl,
      PENSTOCK_KAFKA_PREFIX: 'bench',
      PENSTOCK_KAFKA_REPLICATION: '1',
      PENSTOCK_LOG_LEVEL: 'error',
      ...env,
    }),
  );
  const address = `127.0.0.1:${port}`;
  using auth = createClient(AuthService, address);
  const isThere = () =>
    auth.getLoginMethods({}, { deadline: 1000 }).then(
      () => true,
      () => false,
    );
  await waitUntil('the control plane answers', isThere, 120_000);
  return { address, node };
}
