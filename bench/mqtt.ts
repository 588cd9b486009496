import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../src/dev/free-port.ts';
import { MeasuredChild } from './child.ts';
import { type Drain, mediansOf, shareOf } from './http.ts';
import { disable, enable, openRig, prepare, type Rig, reached } from './rig.ts';

const MESSAGES = 200_000;
const PAYLOAD = 256;
/** What a message of 256 bytes is in the envelope. */
const BODY = 620;
const WINDOWS = [64, 1000];
const RUNS = 3;
/** Messages at the beginning that do not count: they pay for the start. */
const WARM_UP = 20_000;

/**
 * Drains 200,000 messages of 256 bytes to mosquitto at QoS 1, against mqtt.js in a bare loop. Nobody is subscribed, so
 * that the broker has the same to do for both: what is counted is PUBACKs.
 */
export async function measureMqtt(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const port = await startMosquitto(stack);
  const rig = await openRig(stack, 'mqtt');
  const results: Record<string, object> = {};
  for (const window of WINDOWS) {
    const raw: Drain[] = [];
    const penstock: Drain[] = [];
    for (let run = 0; run < RUNS; run++) {
      raw.push(await drainRaw(port, window));
      penstock.push(await drain(rig, port, window));
    }
    results[`mqtt.js, bare loop, window ${window}`] = mediansOf(raw);
    results[`penstock, max_in_flight ${window}`] = shareOf(penstock, raw);
  }
  return results;
}

export async function startMosquitto(stack: AsyncDisposableStack): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-bench-'));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const [port] = await freePorts(1);
  const lines = [
    `user ${userInfo().username}`,
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'log_type none',
  ];
  await writeFile(join(dir, 'mosquitto.conf'), `${lines.join('\n')}\n`);
  const broker = spawn('mosquitto', ['-c', join(dir, 'mosquitto.conf')], { stdio: 'ignore' });
  await once(broker, 'spawn');
  process.once('exit', () => broker.kill('SIGKILL'));
  stack.defer(async () => {
    const ended = once(broker, 'exit');
    broker.kill();
    await ended;
  });
  return port!;
}

/** Drains one integration's topic, over one connection. */
async function drain(rig: Rig, port: number, window: number): Promise<Drain> {
  const { bus, executor } = rig;
  const id = await prepare(bus, MESSAGES, PAYLOAD);
  const configuration = { case: 'mqtt' as const, value: { host: '127.0.0.1', port, qos: 1 } };
  await enable(bus, id, configuration, { maxInFlight: window, ackStrategy: 2 });
  const first = await reached(rig, id, WARM_UP);
  const cpu = executor.cpuSeconds;
  const begin = performance.now();
  const last = await reached(rig, id, MESSAGES);
  const seconds = (performance.now() - begin) / 1000;
  const count = last - first;
  const cpuMicros = ((executor.cpuSeconds - cpu) / count) * 1e6;
  await disable(bus, id, 'mqtt');
  return { rate: count / seconds, cpuMicros, peakMiB: executor.peakMiB };
}

async function drainRaw(port: number, window: number): Promise<Drain> {
  const args = [`mqtt://127.0.0.1:${port}`, String(MESSAGES), String(window), String(BODY)];
  await using loop = new MeasuredChild('./mqtt-loop.ts', args);
  await loop.message('ready');
  const end = loop.message('end');
  const cpu = loop.cpuSeconds;
  const begin = performance.now();
  loop.process.send('go');
  await end;
  const seconds = (performance.now() - begin) / 1000;
  const cpuMicros = ((loop.cpuSeconds - cpu) / MESSAGES) * 1e6;
  return { rate: MESSAGES / seconds, cpuMicros, peakMiB: loop.peakMiB };
}
