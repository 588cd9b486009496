import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Drain, drain } from './http.ts';
import { disable, enable, envelopeBytes, expectRequests, type HttpRig, openHttpRig, topics } from './rig.ts';

const MESSAGES = 50_000;
const INTEGRATIONS = [1, 100, 1000];
/** How long it is watched without messages, in milliseconds; and before that, for it to come to rest. */
const IDLE = 20_000;
const REST = 5000;
const SIZES: readonly (readonly [bytes: number, messages: number])[] = [
  [64, 50_000],
  [1024, 50_000],
  [16_384, 10_000],
  [262_144, 2000],
];

const figuresOf = ({ rate, cpuMicros, peakMiB }: Drain) => ({
  'messages/s': Math.round(rate),
  'CPU µs/message': Math.round(cpuMicros),
  'peak MiB': peakMiB,
});

/** What a message costs by its size, over HTTP. */
export async function measureSizes(): Promise<object> {
  const results: Record<string, object> = {};
  for (const [bytes, messages] of SIZES) {
    await using stack = new AsyncDisposableStack();
    const rig = await openHttpRig(stack);
    results[`${bytes} bytes`] = figuresOf(await drain(rig, messages, bytes));
  }
  return results;
}

/**
 * What a message costs by the number of integrations that 50,000 messages are spread over, starts included; and what so
 * many integrations cost that have nothing to do.
 */
export async function measureIntegrations(): Promise<object> {
  const results: Record<string, object> = {};
  for (const count of INTEGRATIONS) {
    await using stack = new AsyncDisposableStack();
    const rig = await openHttpRig(stack);
    results[`${count} integrations`] = await drainMany(rig, count);
  }
  return results;
}

async function drainMany({ bus, executor, sink, url }: HttpRig, count: number): Promise<object> {
  const ids = Array.from({ length: count }, () => randomUUID());
  for (let i = 0; i < count; i += 100)
    await bus.createTopics(ids.slice(i, i + 100).map((id) => topics.messages(id)));
  const payload = new Uint8Array(256).fill(120);
  for (let n = 0; n < MESSAGES; n += 1000) {
    const sends = Array.from({ length: 1000 }, (_, i) => {
      const topic = topics.messages(ids[(n + i) % count]!).name;
      return bus.send(topic, { key: `client-${i}`, value: envelopeBytes(i, payload) });
    });
    await Promise.all(sends);
  }
  const { arrived } = await expectRequests(sink, MESSAGES);
  const configuration = { case: 'http' as const, value: { restEndpointUrl: url } };
  const cpu = executor.cpuSeconds;
  const begin = performance.now();
  await Promise.all(ids.map((id) => enable(bus, id, configuration, { ackStrategy: 2 })));
  await arrived;
  const seconds = (performance.now() - begin) / 1000;
  const cpuMicros = ((executor.cpuSeconds - cpu) / MESSAGES) * 1e6;
  const { peakMiB } = executor;
  await sleep(REST);
  const cpuAtRest = executor.cpuSeconds;
  await sleep(IDLE);
  const idle = (executor.cpuSeconds - cpuAtRest) / (IDLE / 1000);
  await Promise.all(ids.map((id) => disable(bus, id, 'http')));
  return {
    ...figuresOf({ rate: MESSAGES / seconds, cpuMicros, peakMiB }),
    'idle, of a core': `${(100 * idle).toFixed(1)} %`,
  };
}
