import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { envelope } from '../helpers/messages.ts';
import { receiver } from '../helpers/receiver.ts';
import { installationForTests } from '../helpers/roles.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const KILLS = 4;
const PER_KILL = 1500;
const CLIENTS = 50;
/** What may come twice after a kill: what was in flight, and what was delivered since the last commit. */
const IN_FLIGHT = 64;

test('kill -9 of executors under load loses nothing and keeps the order of each client', async (t) => {
  const endpoint = await receiver(t);
  const { bus, topics, start } = await installationForTests(t);
  const controlPlane = await start('control-plane', 'cp');
  let executor = await start('executor', 'executor-0');
  using integrations = createClient(IntegrationService, controlPlane.address('gRPC'));
  const { integration } = await integrations.createIntegration({
    integration: {
      name: 'kills',
      enabled: true,
      topicFilters: ['#'],
      configuration: { case: 'http', value: { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true } },
      delivery: { ackStrategy: AckStrategy.RETRY_ALL, retries: 0 },
    },
  });
  const topic = topics.messages(integration!.id).name;
  const arrivals = () => endpoint.received.map(({ body }) => Number(body.toString()));
  let sent = 0;
  const load = async () => {
    const until = sent + PER_KILL;
    while (sent < until) {
      const n = sent++;
      const value = envelope(n, { payload: Buffer.from(String(n)), clientId: `client-${n % CLIENTS}` });
      await bus.send(topic, { key: `client-${n % CLIENTS}`, value });
    }
  };
  const recoveries: number[] = [];
  let duplicatesAllowed = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    const loading = load();
    const before = endpoint.received.length;
    await waitUntil('it delivers', () => endpoint.received.length > before + PER_KILL / 10, 60_000);
    executor.child.kill('SIGKILL');
    const killed = performance.now();
    duplicatesAllowed += IN_FLIGHT + (endpoint.received.length - before);
    await loading;
    executor = await start('executor', `executor-${kill}`);
    const atStart = endpoint.received.length;
    await waitUntil('it delivers again', () => endpoint.received.length > atStart, 60_000);
    recoveries.push(Math.round(performance.now() - killed));
  }
  await waitUntil('all arrived', () => new Set(arrivals()).size === sent, 60_000);

  const numbers = arrivals();
  const last = new Map<number, number>();
  const seen = new Set<number>();
  for (const n of numbers) {
    if (seen.has(n)) continue;
    seen.add(n);
    const client = n % CLIENTS;
    assert.ok(n > (last.get(client) ?? -1), `message ${n} first came after a later one of its client`);
    last.set(client, n);
  }
  const duplicates = numbers.length - seen.size;
  t.diagnostic(
    `${KILLS} kills, ${sent} messages, ${duplicates} twice, back after ${recoveries.join(', ')} ms`,
  );
  assert.ok(duplicates <= duplicatesAllowed, `${duplicates} came twice, ${duplicatesAllowed} may`);
});
