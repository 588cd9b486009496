import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { IntegrationService } from '../gen/penstock/v1/integration_service_pb.ts';
import { createKafkaBus } from '../src/bus/kafka-bus.ts';
import { pathOf } from '../src/rpc/grpcjs.ts';
import { testDeps } from '../test/helpers/test-deps.ts';
import { waitUntil } from '../test/helpers/wait-until.ts';
import { storeIntegrations } from './api-store.ts';
import type { MeasuredChild } from './child.ts';
import { openControlPlane, openServices } from './control-plane.ts';
import { topics } from './rig.ts';

const STORED = 1000;
const WATCHERS = 1000;
/** A gRPC connection carries 100 calls. */
const OF_A_CONNECTION = 50;
/** How long each is measured, in milliseconds. */
const TIME = 20_000;
const CHANGES = 5;

/** What a thousand watchers of all of a thousand integrations cost a control plane: memory, and CPU of a core. */
export async function measureWatchers(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const services = await openServices(stack);
  const { node, address } = await openControlPlane(stack, services, {
    PENSTOCK_API_MAX_CALLS_PER_CALLER: `${WATCHERS + 100}`,
  });
  const ids = await storeIntegrations(services.client, STORED);
  await makeTopics(stack, services.kafka, ids);
  await services.client.query("update nodes set last_seen = now() + interval '1 day'");
  await sleep(5000);
  const results: Record<string, object> = { 'without watchers': await during(node) };
  const counts = Array<number>(WATCHERS).fill(0);
  const begun = { cpu: node.cpuSeconds, time: performance.now() };
  const credentials = grpc.credentials.createInsecure();
  const clients = Array.from({ length: WATCHERS / OF_A_CONNECTION }, () => {
    return new grpc.Client(address, credentials, { 'grpc.use_local_subchannel_pool': 1 });
  });
  stack.defer(() => {
    for (const client of clients) client.close();
  });
  const watching = counts.map((_, n) =>
    watch(clients[n % clients.length]!, () => {
      counts[n]!++;
    }),
  );
  const ended = Promise.race(watching);
  ended.catch(() => {}); // also after all is measured
  const first = waitUntil('all have everything', () => counts.every((count) => count >= STORED), 600_000);
  await Promise.race([first, ended]);
  results['first states'] = {
    'CPU s': (node.cpuSeconds - begun.cpu).toFixed(1),
    seconds: ((performance.now() - begun.time) / 1000).toFixed(1),
    'peak MiB': node.peakMiB,
  };
  await sleep(5000);
  results[`${WATCHERS} watchers, idle`] = await during(node);
  const before = total(counts);
  results[`${WATCHERS} watchers, ${CHANGES} changes a second`] = await during(node, async (n) => {
    await services.client.query(
      'update integrations set enabled_change_time = now() where id = $1 and enabled',
      [ids[n % STORED]],
    );
    const sql = 'update executor_states set reason = $2 where integration_id = $1';
    await services.client.query(sql, [ids[n % STORED], `change ${n}`]);
  });
  const told = (total(counts) - before) / (TIME / 1000);
  results['told while there are changes'] = { 'a second': Math.round(told) };
  return results;
}

/** Else the control plane makes them, as it is measured. */
async function makeTopics(stack: AsyncDisposableStack, kafka: string, ids: readonly string[]): Promise<void> {
  const bus = stack.use(createKafkaBus({ brokers: [kafka], clientId: 'bench', replication: 1 }, testDeps()));
  for (let n = 0; n < ids.length; n += 100)
    await bus.createTopics(ids.slice(n, n + 100).map((id) => topics.messages(id)));
}

const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);

const same = (bytes: Buffer) => bytes;

/** Watches everything. What comes is counted, not read: the client is not what is measured. */
function watch(client: grpc.Client, onMessage: () => void): Promise<never> {
  const path = pathOf(IntegrationService.method.watchIntegrations);
  const call = client.makeServerStreamRequest(path, same, same, Buffer.alloc(0));
  call.on('data', onMessage);
  return new Promise((_, reject) => call.on('error', reject));
}

async function during(node: MeasuredChild, change?: (n: number) => Promise<void>): Promise<object> {
  const before = node.cpuSeconds;
  const end = performance.now() + TIME;
  for (let n = 0; performance.now() < end; n++) {
    await sleep(1000 / CHANGES);
    await change?.(n);
  }
  const share = (node.cpuSeconds - before) / (TIME / 1000);
  return {
    'CPU of a core': `${(100 * share).toFixed(1)} %`,
    'MiB now': node.nowMiB,
    'peak MiB': node.peakMiB,
  };
}
