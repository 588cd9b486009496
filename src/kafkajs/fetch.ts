import { int16, int32, readInt64, text } from './bytes.ts';
import type { Exchange } from './cluster.ts';

/** Fetch, version 11: the newest that kafkajs sends, and the last before topics have ids. */
const FETCH = 1;
const VERSION = 11;
/** Isolation level: only what is not, or no longer, in a transaction. */
const COMMITTED = 1;
/** For what a request takes on its way, in milliseconds. */
const GRACE = 5000;

export interface FetchRequest {
  /** How long Kafka may wait for records, in milliseconds. */
  readonly maxWait: number;
  /** The most bytes of records, in all and of each partition; a first record that is larger comes all the same. */
  readonly maxBytes: number;
  readonly maxPartitionBytes: number;
  /** The fetch session (KIP-227): 0 and -1 for none, 0 and 0 to ask for one. */
  readonly sessionId: number;
  readonly sessionEpoch: number;
  /** What is to be fetched; in a session, only what is new or has another offset. */
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly position: number;
  }[];
  /** What the session is to leave out from now on. */
  readonly forgotten: readonly { readonly topic: string; readonly partition: number }[];
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Kafka's number of an error; 0: none. */
  readonly errorCode: number;
  /** The end offset, of what is in no open transaction. */
  readonly end: number;
  /** Record batches; the last one may be cut off. */
  readonly records: Buffer;
  /** Transactions in them that were aborted. */
  readonly aborted: readonly AbortedTransaction[];
}

export interface FetchAnswer {
  readonly errorCode: number;
  /** 0: there is no session. */
  readonly sessionId: number;
  /** In a session, only those that have something to tell. */
  readonly partitions: readonly FetchedPartition[];
}

/** A fetch as kafkajs sends it. Records are left as they are: kafkajs takes a dozen times as long to read them. */
export function fetchExchange(request: FetchRequest): Exchange<FetchAnswer> {
  return {
    request: {
      apiKey: FETCH,
      apiVersion: VERSION,
      apiName: 'Fetch',
      encode: async () => {
        const buffer = encode(request);
        return { buf: buffer, buffer };
      },
    },
    response: { decode: async (raw) => decodeFetchAnswer(raw), parse: async (data) => data },
    requestTimeout: request.maxWait + GRACE,
  };
}

function encode(request: FetchRequest): Buffer {
  const { maxWait, maxBytes, maxPartitionBytes, sessionId, sessionEpoch, partitions, forgotten } = request;
  const parts = [int32(-1), int32(maxWait), int32(1), int32(maxBytes), Buffer.of(COMMITTED)];
  parts.push(int32(sessionId), int32(sessionEpoch), int32(partitions.length));
  for (const { topic, partition, position } of partitions) {
    const fields = Buffer.allocUnsafe(32);
    fields.writeInt32BE(1, 0); // a topic with one partition; another one of it is another topic
    fields.writeInt32BE(partition, 4);
    fields.writeInt32BE(-1, 8); // the leader's epoch, whichever it is
    fields.writeBigInt64BE(BigInt(position), 12);
    fields.writeBigInt64BE(-1n, 20); // where the log starts, which followers tell
    fields.writeInt32BE(maxPartitionBytes, 28);
    parts.push(text(topic), fields);
  }
  parts.push(int32(forgotten.length));
  for (const { topic, partition } of forgotten) parts.push(text(topic), int32(1), int32(partition));
  parts.push(int16(0)); // no rack
  return Buffer.concat(parts);
}

/** Reads an answer to a fetch of version 11. What is in it aliases the answer. */
export function decodeFetchAnswer(raw: Buffer): FetchAnswer {
  const partitions: FetchedPartition[] = [];
  const errorCode = raw.readInt16BE(4);
  const sessionId = raw.readInt32BE(6);
  let at = 14;
  for (let topics = raw.readInt32BE(10); topics > 0; topics--) {
    const length = raw.readInt16BE(at);
    const topic = raw.toString('utf8', at + 2, at + 2 + length);
    at += 2 + length;
    let count = raw.readInt32BE(at);
    for (at += 4; count > 0; count--) {
      const aborted: AbortedTransaction[] = [];
      const head = at;
      let transactions = raw.readInt32BE(at + 30); // -1: none
      for (at += 34; transactions > 0; transactions--, at += 16) {
        aborted.push({ producerId: readInt64(raw, at), firstOffset: readInt64(raw, at + 8) });
      }
      at += 4; // the replica to be preferred
      const size = Math.max(0, raw.readInt32BE(at));
      partitions.push({
        topic,
        partition: raw.readInt32BE(head),
        errorCode: raw.readInt16BE(head + 4),
        end: readInt64(raw, head + 14),
        records: raw.subarray(at + 4, at + 4 + size),
        aborted,
      });
      at += 4 + size;
    }
  }
  return { errorCode, sessionId, partitions };
}
