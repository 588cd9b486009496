import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { lz4Compress, snappyCompress } from '@platformatic/wasm-utils';
import type { Compression } from './options.ts';

interface Codec {
  /** Its number in the attributes of a batch. */
  readonly compression: number;
  compress(records: Buffer): Promise<Buffer>;
}

/** The compressions that Kafka has. */
export const CODECS: Readonly<Record<Compression, Codec>> = {
  none: { compression: 0, compress: async (records) => records },
  gzip: { compression: 1, compress: (records) => promisify(gzip)(records) },
  snappy: { compression: 2, compress: async (records) => snappyCompress(records) },
  lz4: { compression: 3, compress: async (records) => lz4Compress(records) },
  zstd: { compression: 4, compress: (records) => promisify(zstdCompress)(records) },
};
