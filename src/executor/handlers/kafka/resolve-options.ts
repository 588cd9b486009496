import { durationMs } from '@bufbuild/protobuf/wkt';
import {
  KafkaAcks,
  KafkaCompression,
  type KafkaConfiguration,
} from '../../../../gen/penstock/v1/kafka_pb.ts';
import { type Compression, DEFAULTS, type KafkaOptions } from './options.ts';
import { readOtherProperties } from './other-properties.ts';

const ACKS: ReadonlyMap<KafkaAcks, KafkaOptions['acks']> = new Map([
  [KafkaAcks.ALL, -1],
  [KafkaAcks.LEADER, 1],
  [KafkaAcks.NONE, 0],
]);
const COMPRESSIONS: ReadonlyMap<KafkaCompression, Compression> = new Map([
  [KafkaCompression.NONE, 'none'],
  [KafkaCompression.GZIP, 'gzip'],
  [KafkaCompression.SNAPPY, 'snappy'],
  [KafkaCompression.LZ4, 'lz4'],
  [KafkaCompression.ZSTD, 'zstd'],
]);

/** The options of a configuration: its fields, then its other properties, then the defaults. */
export function optionsOf(config: KafkaConfiguration): KafkaOptions {
  const { acks, compression, retries, batchSizeBytes, linger, bufferMemoryBytes } = config;
  const fields: { -readonly [K in keyof KafkaOptions]?: KafkaOptions[K] | undefined } = {
    acks: ACKS.get(acks),
    compression: COMPRESSIONS.get(compression),
    retries: retries || undefined,
    batchBytes: batchSizeBytes,
    linger: linger && durationMs(linger),
    bufferBytes: bufferMemoryBytes === undefined ? undefined : Number(bufferMemoryBytes),
  };
  const set = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  return { ...DEFAULTS, ...readOtherProperties(config).options, ...set };
}
