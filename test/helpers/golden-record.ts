import { type DescMessage, fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import type { Bus, OutgoingRecord } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { ManualClock } from './manual-clock.ts';
import { testDeps } from './test-deps.ts';

/** A record as a part of Penstock gives it to Kafka. */
export interface GoldenRecord {
  readonly topic: string;
  readonly key: string | null;
  /** What the value is. */
  readonly schema: string;
  /** In hex; null: a tombstone. */
  readonly value: string | null;
  readonly json: JsonValue;
}

export const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';
export const SERVICE_ID = 'node/1 ü';
export const NOW = 1_700_000_000_123;
export const topics = topicsOf('penstock');

/** What is sent, in its order. */
export type Sent = OutgoingRecord & { readonly topic: string };

/** A part's surroundings in which nothing is by chance, and what it sends there. */
export function world() {
  const clock = new ManualClock();
  clock.advance(NOW);
  const sent: Sent[] = [];
  const part: Partial<Bus> = {
    createTopics: async () => {},
    send: async (topic, record) => void sent.push({ topic, ...record }),
    sendCopies: async ({ value, to }) => void sent.push(...to.map((one) => ({ ...one, value }))),
  };
  const deps = {
    ...testDeps(),
    clock,
    bus: part as Bus,
    topics,
    serviceId: SERVICE_ID,
    startTime: NOW - 1000,
  };
  return { deps, sent };
}

export const golden = (schema: DescMessage, { topic, key, value }: Sent): GoldenRecord => ({
  topic,
  key,
  schema: schema.typeName,
  value: value && Buffer.from(value).toString('hex'),
  json: value && toJson(schema, fromBinary(schema, value)),
});
