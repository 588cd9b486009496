import type { TestContext } from 'node:test';
import mqtt from 'mqtt';
import type { IPublishPacket, Packet } from 'mqtt-packet';
import type { Lane } from '../../src/bus/lane.ts';
import type { PublishedMessage } from '../../src/contract/encode-envelope.ts';
import type { TakeIn } from '../../src/ingress/fan-out.ts';
import { type ListenerConfig, startListener } from '../../src/ingress/listener/listener.ts';
import type { Note, NotedSession, SessionNotes } from '../../src/ingress/listener/received-notes.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { testDeps } from './test-deps.ts';

/** A fan-out that keeps what it gets; `answer` decides how it goes on. */
export class Sink {
  readonly messages: PublishedMessage[] = [];
  answer: (message: PublishedMessage, there?: Set<string>) => Promise<number> = async () => 1;
  readonly lanes: (Lane | undefined)[] = [];
  readonly takeIn: TakeIn = (message, lane, there) => {
    this.lanes.push(lane);
    this.messages.push({ ...message, payload: Buffer.from(message.payload) });
    return this.answer(message, there);
  };
  get payloads(): string[] {
    return this.messages.map(({ payload }) => Buffer.from(payload).toString());
  }
}

/** Notes in memory: what they are at last, and what was asked of them. */
export class FakeNotes implements SessionNotes {
  readonly found = new Map<string, NotedSession>();
  readonly asked: string[] = [];
  readonly kept = new Map<string, Note>();
  answer: () => Promise<void> = async () => {};
  /** Kafka surely has no note that is stored from now on. */
  areLost = false;
  async stored(clientId: string, packetId: number, note: Note): Promise<boolean> {
    this.asked.push(`stored ${clientId} ${packetId}`);
    if (!this.areLost) this.kept.set(`${clientId} ${packetId}`, note);
    await this.answer();
    return !this.areLost;
  }
  released(clientId: string, packetId: number): Promise<void> {
    this.asked.push(`released ${clientId} ${packetId}`);
    this.kept.delete(`${clientId} ${packetId}`);
    return this.answer();
  }
  forget(clientId: string, packetIds: Iterable<number>): void {
    for (const packetId of packetIds) void this.released(clientId, packetId);
  }
}

export const LISTENER: ListenerConfig = {
  host: '127.0.0.1',
  port: 0,
  maxPacketBytes: 65_536,
  maxConnections: 100,
  maxMemoryBytes: 134_217_728,
  connectTimeout: 10_000,
  packetTimeout: 60_000,
};

/** A listener on a free port, in front of a sink; stopped after the test. */
export async function listenerForTests(
  t: TestContext,
  limits: Partial<Omit<ListenerConfig, 'host' | 'port'>> = {},
  clock: Clock = systemClock,
  notes = new FakeNotes(),
) {
  const sink = new Sink();
  const deps = { ...testDeps(), clock };
  const config = { ...LISTENER, ...limits };
  const waiting = new ByteLimit(1000);
  const listener = await startListener(config, { ...deps, takeIn: sink.takeIn, notes, waiting });
  t.after(() => listener[Symbol.asyncDispose]());
  return { sink, notes, waiting, listener, address: listener.address, metrics: deps.metrics };
}

/** A connected mqtt.js client that does not reconnect; ended after the test. */
export async function mqttClient(t: TestContext, address: string, options: mqtt.IClientOptions) {
  const client = await mqtt.connectAsync(`mqtt://${address}`, { reconnectPeriod: 0, ...options });
  t.after(() => client.endAsync(true));
  return client;
}

export const publish = (
  messageId: number,
  qos: 0 | 1 | 2,
  more: Partial<IPublishPacket> = {},
): IPublishPacket => ({
  cmd: 'publish',
  topic: 'a/b',
  payload: `m${messageId}`,
  retain: false,
  dup: false,
  qos,
  messageId,
  ...more,
});
export const pubrel = (messageId: number): Packet => ({ cmd: 'pubrel', messageId, reasonCode: 0 });
/** The answers to packets with a packet id, in order. */
export const acks = (packets: readonly Packet[]) =>
  packets.filter(({ messageId }) => messageId).map(({ cmd, messageId }) => `${cmd} ${messageId}`);
export const reasonOf = (packet: Packet | undefined) =>
  (packet as { reasonCode?: number } | undefined)?.reasonCode;
