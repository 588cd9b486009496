import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Health, HealthCheckResponse_ServingStatus as Serving } from '../../gen/grpc/health/v1/health_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { onEnd } from '../helpers/on-end.ts';
import { installationForTests, type RoleRun } from '../helpers/roles.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { kafkaWithLinks, ownPostgres } from './kit/own-servers.ts';

const kafkaServer = kafkaWithLinks();
const postgresServer = ownPostgres();
const SERVICES = ['IntegrationService', 'MessageService'].map((name) => `penstock.v1.${name}`);

/** A process with roles, and what it says of its health. */
class Node {
  readonly #run: RoleRun;
  readonly #health;

  constructor(t: TestContext, run: RoleRun) {
    this.#run = run;
    this.#health = createClient(Health, run.address('gRPC'));
    onEnd(t, () => this.#health[Symbol.dispose]());
  }

  async page(path = '/health/ready'): Promise<string> {
    const response = await fetch(`http://${this.#run.address('HTTP')}${path}`);
    return `${response.status} ${await response.text()}`;
  }

  /** The names of what keeps it from its work. */
  async parts(): Promise<readonly string[]> {
    const [head = '', ...lines] = (await this.page()).trim().split('\n');
    assert.equal(head, lines.length === 0 ? '200 ready' : '503 not ready');
    return lines.map((line) => line.replace(/:.*/, ''));
  }

  /** The services that gRPC health takes for healthy; `all` is the whole node. */
  async healthy(): Promise<readonly string[]> {
    const { statuses } = await this.#health.list({});
    const names = ['', ...SERVICES].filter((name) => statuses[name]?.status === Serving.SERVING);
    return names.map((name) => name.replace(/.*\./, '') || 'all');
  }

  becomes(parts: readonly string[]): Promise<void> {
    const what = `${this.#run.roles}: ${parts.join() || 'ready'}`;
    const isSo = async () => (await this.parts()).toSorted().join() === parts.toSorted().join();
    return waitUntil(what, isSo, 60_000);
  }
}

test('a node that cannot do its work is not ready and says why; it lives, and is ready again by itself', {
  timeout: 300_000,
}, async (t) => {
  const [{ server: kafka, brokersOf }, postgres] = [await kafkaServer(), await postgresServer()];
  const { start } = await installationForTests(t, { brokersOf, postgresUrl: postgres.url });
  const controlPlane = new Node(t, await start('control-plane', 'cp'));
  const ingress = new Node(t, await start('ingress', 'in'));
  const executor = new Node(t, await start('executor', 'ie'));
  const nodes = [controlPlane, ingress, executor];
  for (const node of nodes) assert.deepEqual(await node.parts(), []);
  assert.deepEqual(await controlPlane.healthy(), ['all', 'IntegrationService']);
  assert.deepEqual(await ingress.healthy(), ['all', 'MessageService']);

  await postgres.kill();
  await controlPlane.becomes(['postgresql', 'relay']);
  assert.match(await controlPlane.page(), /^postgresql: PostgreSQL does not answer: \S/m);
  assert.deepEqual(await controlPlane.healthy(), []);
  assert.equal(await controlPlane.page('/health/live'), '200 live\n');
  for (const node of [ingress, executor]) assert.deepEqual(await node.parts(), []);
  await postgres.start();
  await controlPlane.becomes([]);
  assert.deepEqual(await controlPlane.healthy(), ['all', 'IntegrationService']);

  await kafka.freeze(true);
  await executor.becomes(['kafka', 'lease']);
  await ingress.becomes(['kafka']);
  await controlPlane.becomes(['kafka']);
  assert.match(await ingress.page(), /^kafka: Kafka has taken no records for \d+ s: \S/m);
  for (const node of nodes) {
    assert.deepEqual(await node.healthy(), []);
    assert.equal(await node.page('/health/live'), '200 live\n');
  }
  await kafka.freeze(false);
  for (const node of nodes) await node.becomes([]);

  await kafka.kill();
  await executor.becomes(['kafka', 'lease']);
  await kafka.start();
  for (const node of nodes) await node.becomes([]);
});
