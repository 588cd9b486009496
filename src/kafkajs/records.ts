import { createRequire } from 'node:module';
import { readInt64 } from './bytes.ts';
import type { AbortedTransaction } from './fetch.ts';

const { lookupCodecByAttributes } = createRequire(import.meta.url)(
  'kafkajs/src/protocol/message/compression',
) as {
  lookupCodecByAttributes(attributes: number): { decompress(data: Buffer): Promise<Buffer> } | null;
};

/** Up to the records; see record-batch.ts. */
const HEAD = 61;
const MAGIC = 2;
const COMPRESSION = 7;
const LOG_APPEND_TIME = 8;
const TRANSACTIONAL = 16;
const CONTROL = 32;

/** A batch of records, uncompressed. */
interface Batch {
  readonly attributes: number;
  readonly producerId: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly baseTime: number;
  /** Set: the time of every record. */
  readonly appendTime: number | undefined;
  readonly count: number;
  readonly records: Buffer;
}

/** A record of a partition; what is in it aliases the answer to the fetch. */
export interface RawRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** Reads fetched batches record by record. */
export class RecordReader {
  readonly #batches: readonly Batch[];
  readonly #from: number;
  #batch = 0;
  #left: number;
  #at = 0;

  /** @param from the first offset that is wanted: a batch may begin before it */
  constructor(batches: readonly Batch[], from: number) {
    this.#batches = batches;
    this.#from = from;
    this.#left = batches[0]?.count ?? 0;
  }

  /** The offset behind everything that was fetched. */
  get end(): number {
    return (this.#batches.at(-1)?.lastOffset ?? this.#from - 1) + 1;
  }

  next(): RawRecord | undefined {
    for (;;) {
      const batch = this.#batches[this.#batch];
      if (!batch) return undefined;
      if (this.#left === 0) {
        this.#batch++;
        this.#left = this.#batches[this.#batch]?.count ?? 0;
        this.#at = 0;
        continue;
      }
      this.#left--;
      const record = this.#read(batch);
      if (record.offset >= this.#from) return record;
    }
  }

  #read({ records, baseOffset, baseTime, appendTime }: Batch): RawRecord {
    const length = this.#varint(records);
    const end = this.#at + length;
    this.#at++; // attributes: there are none yet
    const timestamp = baseTime + this.#varint(records);
    const offset = baseOffset + this.#varint(records);
    const key = this.#bytes(records);
    const value = this.#bytes(records);
    this.#at = end; // headers are not read: the system's records have none
    return { offset, timestamp: appendTime ?? timestamp, key, value };
  }

  #bytes(records: Buffer): Buffer | null {
    const length = this.#varint(records);
    if (length < 0) return null;
    const begin = this.#at;
    this.#at += length;
    return records.subarray(begin, this.#at);
  }

  #varint(records: Buffer): number {
    let byte = records[this.#at++]!;
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = records[this.#at++]!;
      value += (byte & 127) * scale;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

/** The whole batches in what was fetched; one that is cut off at its end is fetched again. */
export async function openBatches(
  fetched: Buffer,
  aborted: readonly AbortedTransaction[],
): Promise<readonly Batch[]> {
  const batches: Batch[] = [];
  const isAborted = abortedFilter(aborted);
  for (let at = 0; at + HEAD <= fetched.length; ) {
    const end = at + 12 + fetched.readInt32BE(at + 8);
    if (end > fetched.length) break;
    const batch = await openBatch(fetched.subarray(at, end));
    batches.push(isAborted(batch) ? { ...batch, count: 0 } : batch);
    at = end;
  }
  return batches;
}

/** Whether the records of a batch, one after the other, are of a transaction that was aborted, or its mark. */
function abortedFilter(transactions: readonly AbortedTransaction[]): (batch: Batch) => boolean {
  const coming = transactions.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<number>();
  return ({ attributes, producerId, lastOffset }) => {
    while (coming[0] && coming[0].firstOffset <= lastOffset) open.add(coming.shift()!.producerId);
    if (attributes & CONTROL) open.delete(producerId); // a transaction ends
    return (attributes & CONTROL) !== 0 || ((attributes & TRANSACTIONAL) !== 0 && open.has(producerId));
  };
}

async function openBatch(batch: Buffer): Promise<Batch> {
  if (batch[16] !== MAGIC) throw new Error(`records of format ${batch[16]}: only format ${MAGIC} is read`);
  const attributes = batch.readInt16BE(21);
  const baseOffset = readInt64(batch, 0);
  const body = batch.subarray(HEAD);
  const codec = (attributes & COMPRESSION) === 0 ? null : lookupCodecByAttributes(attributes);
  return {
    attributes,
    baseOffset,
    lastOffset: baseOffset + batch.readInt32BE(23),
    baseTime: readInt64(batch, 27),
    appendTime: attributes & LOG_APPEND_TIME ? readInt64(batch, 35) : undefined,
    producerId: readInt64(batch, 43),
    count: batch.readInt32BE(57),
    records: codec ? await codec.decompress(body) : body,
  };
}
