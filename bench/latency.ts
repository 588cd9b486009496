import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { IntegrationService } from '../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../gen/penstock/v1/message_service_pb.ts';
import { createClient } from '../src/rpc/grpcjs.ts';
import { PenstockRun } from '../test/helpers/penstock.ts';
import { MeasuredChild } from './child.ts';
import { enable, envelopeBytes, openHttpRig, prepare, topics } from './rig.ts';

const SECONDS = 20;
const RATE = 50;
const WARM_UP = 100;

/** How long one message takes at 50 a second: from PUBLISH, and from its produce to Kafka, to its arrival. */
export async function measureLatency(): Promise<object> {
  return {
    'PUBLISH (QoS 1) to HTTP arrival, ms': await publishToArrival(),
    'Kafka produce to HTTP arrival, ms': await produceToArrival(),
  };
}

const now = () => performance.timeOrigin + performance.now();

async function publishToArrival(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'penstock-bench-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const ports = ['--grpc-port', '0', '--http-port', '0', '--mqtt-port', '0'];
  const run = new PenstockRun(['dev', ...ports, '--data-dir', dataDir]);
  stack.defer(async () => {
    await run.stop();
  });
  await run.says('penstock is ready', 300_000);
  const sink = stack.use(new MeasuredChild('./http-sink.ts'));
  const { address } = await sink.message<{ address: { port: number } }>('address');
  using integrations = createClient(IntegrationService, run.address('gRPC'));
  await integrations.createIntegration(
    {
      integration: {
        name: 'bench',
        enabled: true,
        topicFilters: ['bench/#'],
        configuration: {
          case: 'http',
          value: { restEndpointUrl: `http://127.0.0.1:${address.port}/`, sendOnlyMsgPayload: true },
        },
      },
    },
    { deadline: 25_000 },
  );
  using messages = createClient(MessageService, run.address('gRPC'));
  while ((await messages.publishMessage({ topicName: 'bench/0' })).matchedIntegrations === 0);
  const client = await connectAsync(`mqtt://${run.address('MQTT')}`, { protocolVersion: 5 });
  stack.defer(() => client.endAsync(true));
  return await latencies(sink, (body) => client.publishAsync('bench/1', body, { qos: 1 }));
}

async function produceToArrival(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const rig = await openHttpRig(stack);
  const id = await prepare(rig.bus, 0, 1);
  const value = { restEndpointUrl: rig.url, sendOnlyMsgPayload: true };
  await enable(rig.bus, id, { case: 'http', value }, undefined);
  let n = 0;
  return await latencies(rig.sink, (body) =>
    rig.bus.send(topics.messages(id).name, { key: 'k', value: envelopeBytes(n++, Buffer.from(body)) }),
  );
}

async function latencies(sink: MeasuredChild, send: (body: string) => Promise<unknown>): Promise<object> {
  const taken: number[] = [];
  sink.process.on('message', ({ body, at }: { body?: string; at?: number }) => {
    const sentAt = Number(body);
    if (sentAt > 0 && at !== undefined) taken.push(at - sentAt);
  });
  sink.process.send({ bodies: true });
  const total = SECONDS * RATE + WARM_UP;
  for (let i = 0; i < total; i++) {
    const next = now() + 1000 / RATE;
    void send(String(now()));
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - now())));
  }
  while (taken.length < total) await new Promise((resolve) => setTimeout(resolve, 50));
  const sorted = taken.slice(WARM_UP).toSorted((a, b) => a - b);
  const at = (share: number) => Number(sorted[Math.floor(sorted.length * share)]!.toFixed(2));
  return { messages: sorted.length, p50: at(0.5), p99: at(0.99), max: at(0.9999) };
}
