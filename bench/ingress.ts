import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../src/dev/free-port.ts';
import { MeasuredChild } from './child.ts';
import { type Drain, mediansOf, shareOf } from './http.ts';
import { enable, openRig, type Rig, topics } from './rig.ts';

const MESSAGES = 200_000;
const WARM_UP = 20_000;
const PAYLOAD = 256;
/** What a message of 256 bytes is in the envelope. */
const BODY = 380;
const CLIENTS = 100;
/** Messages on their way for each client. */
const WINDOW = 20;
const RUNS = 3;

/**
 * Takes 200,000 messages of 256 bytes in at QoS 1 from 100 clients, for one integration: each is acknowledged when Kafka has
 * it. Against a bare socket server of mqtt-packet and kafkajs.
 */
export async function measureIngress(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const { rig, id, port, httpPort, child } = await openIngressRig(stack);
  const raw: Drain[] = [];
  const penstock: Drain[] = [];
  const overWebSocket: Drain[] = [];
  for (let run = 0; run < RUNS; run++) {
    raw.push(await throughLoop(rig, id));
    penstock.push(await publishAll(port, child));
    overWebSocket.push(await publishAll(httpPort, child, 'websocket'));
  }
  return {
    'mqtt-packet and kafkajs, bare loop': mediansOf(raw),
    'penstock ingress': shareOf(penstock, raw),
    'penstock ingress, over WebSocket': shareOf(overWebSocket, raw),
  };
}

/** An ingress process with one integration for all topics. */
export async function openIngressRig(stack: AsyncDisposableStack) {
  const rig = await openRig(stack, 'kafka');
  const id = randomUUID();
  await rig.bus.createTopics([topics.messages(id)]);
  // Of a type that the executor does not have: only taking in is measured.
  await enable(rig.bus, id, { case: 'http', value: { restEndpointUrl: 'http://127.0.0.1:9/' } }, undefined);
  return { rig, id, ...(await startIngress(stack, rig)) };
}

async function startIngress(stack: AsyncDisposableStack, { kafka }: Rig) {
  const [port, httpPort] = await freePorts(2);
  const args = ['ingress', '--grpc-port', '0', '--http-port', String(httpPort), '--mqtt-port', String(port)];
  const env = { TB_KAFKA_SERVERS: kafka, PENSTOCK_KAFKA_PREFIX: 'bench', PENSTOCK_LOG_LEVEL: 'error' };
  const child = stack.use(new MeasuredChild('../src/main.ts', args, env));
  const url = `http://127.0.0.1:${httpPort}/health/ready`;
  while (!(await fetch(url).catch(() => undefined))?.ok) await sleep(100);
  return { port: port!, httpPort: httpPort!, child };
}

async function throughLoop({ kafka }: Rig, id: string): Promise<Drain> {
  const [port] = await freePorts(1);
  const args = [kafka, topics.messages(id).name, String(BODY), String(port)];
  await using loop = new MeasuredChild('./mqtt-kafka-loop.ts', args);
  await loop.message('ready');
  return await publishAll(port!, loop);
}

/** Lets the clients publish, and looks at what takes it in. */
async function publishAll(
  port: number,
  taker: MeasuredChild,
  transport: 'tcp' | 'websocket' = 'tcp',
): Promise<Drain> {
  const args = [port, CLIENTS, WINDOW, PAYLOAD, WARM_UP, MESSAGES, transport].map(String);
  await using publishers = new MeasuredChild('./publishers.ts', args);
  await publishers.message('ready');
  const [warm, end] = [publishers.message('warm'), publishers.message('end')];
  publishers.process.send('go');
  await warm;
  const cpu = taker.cpuSeconds;
  const begin = performance.now();
  await end;
  const seconds = (performance.now() - begin) / 1000;
  const count = MESSAGES - WARM_UP;
  return {
    rate: count / seconds,
    cpuMicros: ((taker.cpuSeconds - cpu) / count) * 1e6,
    peakMiB: taker.peakMiB,
  };
}
