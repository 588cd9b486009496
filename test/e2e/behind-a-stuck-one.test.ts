import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampNow } from '@bufbuild/protobuf/wkt';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { answer, httpEndpoint } from '../helpers/http-endpoint.ts';
import { installationForTests, type RoleRun } from '../helpers/roles.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const OTHERS = 3000;
const STUCK = ['stuck-1', 'stuck-2', 'stuck-3'];

/** Messages of three clients that the endpoint never takes, in between many that it does, all of them committed. */
async function stuckWorld(t: TestContext) {
  const endpoint = await httpEndpoint(t);
  const isStuck = (body: Buffer) => STUCK.includes(body.toString());
  endpoint.respond = (response, { body }) => answer(isStuck(body) ? 503 : 200)(response, undefined as never);
  const { start, bus, topics } = await installationForTests(t);
  const controlPlane = await start('control-plane', 'cp');
  const startExecutor = (serviceId: string) =>
    start('executor', serviceId, { PENSTOCK_STATISTICS_INTERVAL: '500' });
  const first = await startExecutor('ie-1');
  const client = createClient(IntegrationService, controlPlane.address('gRPC'));
  t.after(() => client[Symbol.dispose]());
  const { integration } = await client.createIntegration({
    integration: {
      name: 'stuck',
      enabled: true,
      topicFilters: ['stuck/#'],
      configuration: {
        case: 'http',
        value: { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true },
      },
      delivery: { ackStrategy: AckStrategy.RETRY_ALL, retries: 0, maxPause: { seconds: 1n } },
    },
  });
  const { id } = integration!;
  const { name } = topics.messages(id);
  const publish = async (payloads: readonly string[]) => {
    const sent = payloads.map((payload, i) => {
      const clientId = STUCK.includes(payload) ? payload : `c${i % 20}`;
      const envelope = create(EnvelopeSchema, {
        topicName: 'stuck/a',
        clientId,
        payload: Buffer.from(payload),
        receivedTime: timestampNow(),
      });
      return bus.send(name, { key: clientId, value: toBinary(EnvelopeSchema, envelope) });
    });
    await Promise.all(sent);
  };
  const taken = () => endpoint.received.map(({ body }) => body).filter((body) => !isStuck(body));
  const isTaken = (payload: string) => () =>
    endpoint.received.some(({ body }) => body.toString() === payload);
  /** How many came more often than once. */
  const repeated = () => taken().length - new Set(taken().map(String)).size;
  /** How many are neither committed nor told beside the offset. */
  const untold = async () => {
    const [position, ends] = [(await bus.committed(topics.executors, name)).get(0), await bus.offsets(name)];
    const { offset = 0, ahead } = position ?? {};
    const count = (ahead?.ranges ?? []).reduce((sum, { start: from, end }) => sum + end - from, 0);
    return ends.get(0)!.end - offset - count;
  };
  for (const [i, stuck] of STUCK.entries()) {
    await publish([stuck]);
    await publish(Array.from({ length: OTHERS / STUCK.length }, (_, n) => `${i}-${n}`));
  }
  await waitUntil('the others have arrived', () => taken().length >= OTHERS, 60_000);
  await waitUntil('Kafka knows', async () => (await untold()) === STUCK.length, 10_000);
  const status = async () => (await client.getIntegration({ id })).integration!.status!;
  /** Whoever has it delivers, and has read all that was there. */
  const goesOn = async (marker: string) => {
    await publish([marker]);
    await waitUntil(`${marker} has arrived`, isTaken(marker), 60_000);
    await waitUntil('the lag counts those that wait, and no others', async () => {
      const { lag } = await status();
      return lag === BigInt(STUCK.length);
    });
    await waitUntil('Kafka knows', async () => (await untold()) === STUCK.length, 10_000);
  };
  return { endpoint, client, id, first, startExecutor, goesOn, repeated, untold };
}

test('what was delivered in between messages that are not comes no more, whoever goes on, and however it was left', {
  timeout: 180_000,
}, async (t) => {
  const { endpoint, client, id, first, startExecutor, goesOn, repeated, untold } = await stuckWorld(t);
  const then = async (what: string, marker: string) => {
    await goesOn(marker);
    assert.equal(repeated(), 0, what);
  };
  await then('while it runs', 'before');
  await client.restartIntegration({ id });
  await then('restarted', 'restarted');
  const leave = async (old: RoleRun, how: 'kill' | 'stop', serviceId: string) => {
    if (how === 'kill') await old.kill();
    else assert.equal(await old.stop('SIGTERM'), 0);
    return startExecutor(serviceId);
  };
  const second = await leave(first, 'kill', 'ie-2');
  await then('killed', 'killed');
  const third = await leave(second, 'stop', 'ie-3');
  await then('stopped', 'stopped');
  await startExecutor('ie-4');
  await third.kill();
  await then('killed, and taken over by one that ran', 'taken-over');
  endpoint.respond = answer(200);
  await waitUntil('everything is settled', async () => (await untold()) === 0, 30_000);
  const counts = STUCK.map(
    (stuck) => endpoint.received.filter(({ body }) => body.toString() === stuck).length,
  );
  assert.ok(Math.min(...counts) > 1);
  assert.equal(repeated(), 0);
});
