import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { receiver } from '../helpers/receiver.ts';
import { installationForTests, type RoleRun } from '../helpers/roles.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const LEADS = 'this node relays downlink records now';
/** From the end of the node that publishes to when what another one is told reaches everybody. */
const TAKEOVER = 10_000;

test('of three control planes one publishes; when it is killed or stopped, another does within 10 s', async (t) => {
  const { start } = await installationForTests(t);
  const endpoint = await receiver(t);
  const names = ['cp-0', 'cp-1', 'cp-2'];
  const first = await start('control-plane', names[0]!);
  const nodes = [first, ...(await Promise.all(names.slice(1).map((name) => start('control-plane', name))))];
  const [ingress] = await Promise.all([start('ingress', 'in'), start('executor', 'ie')]);
  using messages = createClient(MessageService, ingress.address('gRPC'));

  /** Has a node make an integration, and waits until a message to it arrives. */
  const works = async (node: RoleRun, topicName: string) => {
    using client = createClient(IntegrationService, node.address('gRPC'));
    const value = { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true };
    await client.createIntegration({
      integration: {
        name: topicName,
        enabled: true,
        topicFilters: [topicName],
        configuration: { case: 'http', value },
      },
    });
    const isMatched = async () =>
      (await messages.publishMessage({ topicName, payload: Buffer.from(topicName) })).matchedIntegrations ===
      1;
    await waitUntil(`ingress knows ${topicName}`, isMatched, TAKEOVER);
    await waitUntil('it arrives', () => endpoint.received.some(({ body }) => body.toString() === topicName));
  };
  /** The node that publishes: the one that took over last. */
  const leader = () => {
    const since = (node: RoleRun) => {
      const line = node.output.split('\n').findLast((one) => one.includes(LEADS));
      return line === undefined ? '' : String(JSON.parse(line).time);
    };
    return nodes.toSorted((a, b) => since(b).localeCompare(since(a)))[0]!;
  };

  for (const node of nodes) await works(node, `through ${names[nodes.indexOf(node)]}`);
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const before = leader();
    await before.stop(signal);
    const left = nodes.filter((node) => node.isRunning);
    await works(left.at(-1)!, `after ${signal}`);
    assert.ok(leader() !== before && leader().isRunning);
  }
});
