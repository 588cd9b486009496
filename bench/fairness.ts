import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { MeasuredChild } from './child.ts';
import { openIngressRig } from './ingress.ts';

/** Publishers that send as much as they may, and how many messages of QoS 1 each has on its way. */
const FLOODING = 20;
const WINDOW = 100;
const PAYLOAD = 256;
/** A message of the healthy client each 20 ms. */
const PAUSE = 20;
const SAMPLES = 500;

/** How long a client that sends little waits for its PUBACK, alone and beside 20 others that flood the listener. */
export async function measureFairness(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const { port } = await openIngressRig(stack);
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });
  stack.defer(() => client.endAsync(true));
  await waits(client); // pays for the start
  const alone = await waits(client);
  const args = [port, FLOODING, WINDOW, PAYLOAD, 1, Number.POSITIVE_INFINITY].map(String);
  const publishers = stack.use(new MeasuredChild('./publishers.ts', args));
  await publishers.message('ready');
  publishers.process.send('go');
  await publishers.message('warm');
  await sleep(1000);
  return { 'alone, ms': alone, 'beside 20 that flood, ms': await waits(client) };
}

async function waits(client: MqttClient): Promise<object> {
  const taken: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    const begin = performance.now();
    await client.publishAsync('sensors/healthy', 'x', { qos: 1 });
    taken.push(performance.now() - begin);
    await sleep(PAUSE);
  }
  taken.sort((a, b) => a - b);
  const at = (share: number) => Number(taken[Math.floor(share * (taken.length - 1))]!.toFixed(1));
  return { messages: taken.length, p50: at(0.5), p95: at(0.95), max: at(1) };
}
