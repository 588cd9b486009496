import { crc32c } from '@platformatic/wasm-utils';
import type { Message } from 'kafkajs';

/** A header in a list, which keeps what an object does not: the order, and names that repeat. */
export interface Header {
  readonly key: string;
  readonly value: Buffer | string | null;
}

/** A record as it is given to kafkajs, whose headers may also be a list. */
export type RecordInit = Omit<Message, 'headers'> & {
  readonly headers?: Message['headers'] | readonly Header[];
};

export interface BatchInit {
  readonly records: readonly RecordInit[];
  /** The number of the compression, by the attributes of a batch; and what compresses. */
  readonly compression: number;
  compress(records: Buffer): Promise<Buffer>;
  readonly isTransactional: boolean;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  /** The time of records that have none, in milliseconds since 1970. */
  readonly now: number;
}

type Content = Buffer | string | null | undefined;

/** Magic 2: the format since Kafka 0.11. */
const MAGIC = 2;
/** Up to the records' number, which is part of it. */
const HEAD = 61;
/** The length counts from behind itself, the checksum covers what is behind it. */
const LENGTH_FROM = 12;
const CRC_FROM = 21;
/** Characters of a text that is written one by one, at most. */
const SHORT = 64;

/** A batch of records (magic 2) in its bytes. */
export async function recordBatch(init: BatchInit): Promise<Buffer> {
  const { records, compression, now } = init;
  const times = records.map(({ timestamp }) => (timestamp === undefined ? now : Number(timestamp)));
  const first = times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const last = times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const isPlain = compression === 0;
  const written = writeRecords(records, times, first, isPlain ? HEAD : 0);
  const batch = isPlain ? written : Buffer.concat([Buffer.alloc(HEAD), await init.compress(written)]);
  batch.writeBigInt64BE(0n, 0); // the base offset, which is the broker's to give
  batch.writeInt32BE(batch.length - LENGTH_FROM, 8);
  batch.writeInt32BE(0, 12); // the leader's epoch, also the broker's
  batch.writeInt8(MAGIC, 16);
  batch.writeInt16BE(compression | (init.isTransactional ? 16 : 0), 21);
  batch.writeInt32BE(records.length - 1, 23);
  batch.writeBigInt64BE(BigInt(first), 27);
  batch.writeBigInt64BE(BigInt(last), 35);
  batch.writeBigInt64BE(init.producerId, 43);
  batch.writeInt16BE(init.producerEpoch, 51);
  batch.writeInt32BE(init.firstSequence, 53);
  batch.writeInt32BE(records.length, 57);
  batch.writeUInt32BE(crc32c(batch.subarray(CRC_FROM)), 17);
  return batch;
}

/** The records one after another, behind `offset` bytes that are left free. */
function writeRecords(
  records: readonly RecordInit[],
  times: readonly number[],
  firstTime: number,
  offset: number,
): Buffer {
  const lists = records.map(({ headers }) => listOf(headers));
  const sizes = records.map(
    ({ key, value }, i) =>
      1 +
      sizeOfVarint(times[i]! - firstTime) +
      sizeOfVarint(i) +
      sizeOf(key) +
      sizeOf(value) +
      sizeOfList(lists[i]!),
  );
  const total = sizes.reduce((sum, size) => sum + sizeOfVarint(size) + size, offset);
  const buffer = Buffer.allocUnsafe(total);
  let at = offset;
  for (const [i, { key, value }] of records.entries()) {
    at = writeVarint(buffer, sizes[i]!, at);
    buffer[at++] = 0; // attributes: there are none
    at = writeVarint(buffer, times[i]! - firstTime, at);
    at = writeVarint(buffer, i, at);
    at = write(buffer, key, at);
    at = write(buffer, value, at);
    const list = lists[i]!;
    at = writeVarint(buffer, list.length, at);
    for (const header of list) at = write(buffer, header.value, write(buffer, header.key, at));
  }
  return buffer;
}

const NONE: readonly Header[] = [];

/** The headers as a list. */
function listOf(headers: RecordInit['headers']): readonly Header[] {
  if (headers === undefined || headers === null) return NONE;
  if (Array.isArray(headers)) return headers as readonly Header[];
  return Object.entries(headers as NonNullable<Message['headers']>).flatMap(([key, value]) =>
    Array.isArray(value) ? value.map((one) => ({ key, value: one })) : [{ key, value: value ?? null }],
  );
}

const sizeOfList = (list: readonly Header[]) =>
  list.reduce((size, { key, value }) => size + sizeOf(key) + sizeOf(value), sizeOfVarint(list.length));

function sizeOf(content: Content): number {
  if (content === null || content === undefined) return 1;
  const length = typeof content === 'string' ? byteLength(content) : content.length;
  return sizeOfVarint(length) + length;
}

/** Of a text, most of which are keys and names: looking at those here costs less than to ask about them. */
const byteLength = (text: string) => (isShortAscii(text) ? text.length : Buffer.byteLength(text));

function isShortAscii(text: string): boolean {
  if (text.length > SHORT) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** Answers where the next one goes. */
function write(buffer: Buffer, content: Content, at: number): number {
  if (content === null || content === undefined) return writeVarint(buffer, -1, at);
  if (typeof content === 'string') {
    if (isShortAscii(content)) return writeAscii(buffer, content, at);
    const begin = writeVarint(buffer, Buffer.byteLength(content), at);
    return begin + buffer.write(content, begin);
  }
  const begin = writeVarint(buffer, content.length, at);
  buffer.set(content, begin);
  return begin + content.length;
}

function writeAscii(buffer: Buffer, text: string, at: number): number {
  let end = writeVarint(buffer, text.length, at);
  for (let i = 0; i < text.length; i++) buffer[end++] = text.charCodeAt(i);
  return end;
}

/** In zigzag order, so that small negative numbers are small, too. Beyond 31 bits it takes a detour. */
const zigzag = (value: number) => (value >= 0 ? value * 2 : -value * 2 - 1);

function sizeOfVarint(value: number): number {
  let size = 1;
  for (let rest = zigzag(value); rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

function writeVarint(buffer: Buffer, value: number, at: number): number {
  let rest = zigzag(value);
  let end = at;
  for (; rest >= 128; rest = Math.floor(rest / 128)) buffer[end++] = (rest % 128) | 128;
  buffer[end] = rest;
  return end + 1;
}
