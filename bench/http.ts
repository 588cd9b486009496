import { MeasuredChild } from './child.ts';
import { disable, enable, expectRequests, type HttpRig, median, openHttpRig, prepare } from './rig.ts';

const MESSAGES = 100_000;
const PAYLOAD = 256;
/** What a message of 256 bytes is in the envelope. */
const BODY = 620;
const WINDOW = 64;
const RUNS = 3;

export interface Drain {
  readonly rate: number;
  readonly cpuMicros: number;
  readonly peakMiB: number;
}

/** Drains 100,000 messages of 256 bytes to an HTTP endpoint, against undici's `dispatch` in a bare loop. */
export async function measureHttp(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const rig = await openHttpRig(stack);
  const raw: Drain[] = [];
  const penstock: Drain[] = [];
  for (let run = 0; run < RUNS; run++) {
    raw.push(await drainRaw(rig));
    penstock.push(await drain(rig, MESSAGES, PAYLOAD));
  }
  return { 'undici dispatch, bare loop': mediansOf(raw), penstock: shareOf(penstock, raw) };
}

/** The medians of several runs. */
export const mediansOf = (drains: readonly Drain[]) => ({
  'messages/s': Math.round(median(drains.map(({ rate }) => rate))),
  'CPU µs/message': Number(median(drains.map(({ cpuMicros }) => cpuMicros)).toFixed(1)),
  'peak MiB': Math.max(...drains.map(({ peakMiB }) => peakMiB)),
});

/** The medians, and how they stand to a limit that was measured beside them. */
export function shareOf(drains: readonly Drain[], limit: readonly Drain[]) {
  const ours = mediansOf(drains);
  const share = `${Math.round((ours['messages/s'] / mediansOf(limit)['messages/s']) * 100)} %`;
  return { ...ours, 'of the limit': share };
}

/** Drains one integration's topic; the rate counts from the first commit of the configuration to the last arrival. */
export async function drain(rig: HttpRig, messages: number, bytes: number): Promise<Drain> {
  const { bus, executor, sink, url } = rig;
  const id = await prepare(bus, messages, bytes);
  const first = await expectRequests(sink, 1);
  const configuration = { case: 'http' as const, value: { restEndpointUrl: url } };
  await enable(bus, id, configuration, { maxInFlight: WINDOW, ackStrategy: 2 });
  await first.arrived;
  const cpu = executor.cpuSeconds;
  const begin = performance.now();
  // What came in between is a few of many messages.
  const { arrived } = await expectRequests(sink, messages - 1000);
  await arrived;
  const seconds = (performance.now() - begin) / 1000;
  const spent = executor.cpuSeconds - cpu;
  await disable(bus, id, 'http');
  return {
    rate: (messages - 1000) / seconds,
    cpuMicros: (spent / (messages - 1000)) * 1e6,
    peakMiB: executor.peakMiB,
  };
}

async function drainRaw({ sink, url }: HttpRig): Promise<Drain> {
  await using loop = new MeasuredChild('./undici-loop.ts', [
    url,
    String(MESSAGES),
    String(WINDOW),
    String(BODY),
  ]);
  await loop.message('ready');
  const { arrived } = await expectRequests(sink, MESSAGES - 1000);
  const cpu = loop.cpuSeconds;
  const begin = performance.now();
  loop.process.send('go');
  await arrived;
  const seconds = (performance.now() - begin) / 1000;
  return {
    rate: (MESSAGES - 1000) / seconds,
    cpuMicros: ((loop.cpuSeconds - cpu) / (MESSAGES - 1000)) * 1e6,
    peakMiB: loop.peakMiB,
  };
}
