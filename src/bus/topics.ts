import type { DescMessage } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { AccessRecordSchema } from '../../gen/penstock/v1/access_pb.ts';
import { DownlinkRecordSchema, ValidationRequestSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { DeadLetterSchema, EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { ReceivedMessageSchema } from '../../gen/penstock/v1/session_pb.ts';
import { UplinkRecordSchema, ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';

/** A topic: its name, what its values are, and how it is created. */
export interface Topic<D extends DescMessage = DescMessage> {
  readonly name: string;
  readonly schema: D;
  readonly partitions: number;
  /** Kafka topic configuration. */
  readonly config: Readonly<Record<string, string>>;
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const SHARED_PARTITIONS = 12;
/** The largest record that is sent, in bytes. Kafka counts the whole batch, so the topics take a little more. */
export const MAX_RECORD_BYTES = 17_825_792;

const large = { 'max.message.bytes': String(2 * MAX_RECORD_BYTES) };

const compacted = {
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': '0.1',
  'segment.ms': String(DAY),
  'delete.retention.ms': String(DAY),
  ...large,
};
const retained = (ms: number, bytes = -1) => ({
  'cleanup.policy': 'delete',
  'retention.ms': String(ms),
  'retention.bytes': String(bytes),
});

/** How much Kafka keeps of a topic, in its own words. */
export interface Bounds {
  readonly 'retention.bytes': string;
  readonly 'segment.bytes': string;
}

/** How long Kafka keeps what compaction leaves, in its own words. */
export interface Retention {
  readonly 'cleanup.policy': string;
  readonly 'retention.ms': string;
}

/** Notes of a node that never comes back are removed by nobody else. They are over after an hour. */
const sessionRetention: Retention = { 'cleanup.policy': 'compact,delete', 'retention.ms': String(DAY) };

/** Kafka removes whole segments: they are to be small beside what is kept, and take the largest batch. */
const segmentOf = (bytes: number) => Math.max(2 * MAX_RECORD_BYTES, Math.min(1 << 30, Math.floor(bytes / 8)));

const FAMILIES = [
  'ie.access',
  'ie.clock',
  'ie.sessions',
  'ie.downlink.',
  'ie.validation.',
  'ie.uplink',
  'msg.ie.',
  'dlq.ie.',
];

/** The topics of an installation, by design section 5. `prefix` lets several share a Kafka. */
export type Topics = ReturnType<typeof topicsOf>;

/** @param deadLetterBytes how many bytes of an integration's dead letters are kept, about */
export function topicsOf(prefix: string, deadLetterBytes = 1 << 30) {
  const deadLetterBounds: Bounds = {
    'retention.bytes': String(deadLetterBytes),
    'segment.bytes': String(segmentOf(deadLetterBytes)),
  };
  return {
    downlink: (type: string) =>
      topic(`${prefix}.ie.downlink.${type}`, DownlinkRecordSchema, SHARED_PARTITIONS, compacted),
    validation: (type: string) =>
      topic(`${prefix}.ie.validation.${type}`, ValidationRequestSchema, SHARED_PARTITIONS, {
        ...retained(10 * MINUTE),
        'segment.ms': String(10 * MINUTE),
        ...large,
      }),
    uplink: topic(`${prefix}.ie.uplink`, UplinkRecordSchema, SHARED_PARTITIONS, retained(7 * DAY)),
    notifications: (serviceId: string) =>
      topic(`${prefix}.ie.uplink.notifications.${topicSafe(serviceId)}`, ValidationResponseSchema, 1, {
        ...retained(10 * MINUTE),
        'segment.ms': String(10 * MINUTE),
      }),
    /** The API tokens, all of them in one record. */
    access: topic(`${prefix}.ie.access`, AccessRecordSchema, 1, compacted),
    /** Its records tell Kafka's time, and nothing else. */
    clock: topic(`${prefix}.ie.clock`, EmptySchema, 1, {
      ...retained(10 * MINUTE),
      'segment.ms': String(10 * MINUTE),
      'message.timestamp.type': 'LogAppendTime',
    }),
    /** What a node remembers of its MQTT clients through a restart. Small segments: it reads all of them when it starts. */
    sessions: topic(`${prefix}.ie.sessions`, ReceivedMessageSchema, SHARED_PARTITIONS, {
      ...sessionRetention,
      'min.cleanable.dirty.ratio': '0.1',
      'segment.ms': String(10 * MINUTE),
      'segment.bytes': String(16 << 20),
      'delete.retention.ms': String(DAY),
    }),
    sessionRetention,
    messages: (integrationId: string, partitions = 1) =>
      topic(`${prefix}.msg.ie.${integrationId}`, EnvelopeSchema, partitions, {
        ...retained(7 * DAY, 1 << 30),
        ...large,
      }),
    deadLetters: (integrationId: string) =>
      topic(`${prefix}.dlq.ie.${integrationId}`, DeadLetterSchema, 1, {
        ...retained(30 * DAY),
        ...deadLetterBounds,
        ...large,
      }),
    deadLetterBounds,
    /** Whether a topic of this name is one of these. */
    has: (name: string) => FAMILIES.some((family) => name.startsWith(`${prefix}.${family}`)),
    /** The consumer group of all executors, in which the offsets of every message topic are committed. */
    executors: `${prefix}.executor`,
    /** A consumer group shared by all nodes that do the same work. */
    group: (work: string) => `${prefix}.${work}`,
  };
}

function topic<D extends DescMessage>(
  name: string,
  schema: D,
  partitions: number,
  config: Readonly<Record<string, string>>,
): Topic<D> {
  return { name, schema, partitions, config };
}

/** Kafka allows letters, digits, dot, underscore and hyphen in topic names. */
const topicSafe = (name: string) => name.replaceAll(/[^a-zA-Z0-9._-]/g, '_');
