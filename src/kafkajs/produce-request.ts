import { int16, int32, text } from './bytes.ts';
import type { Broker, Exchange } from './cluster.ts';
import { protocolError } from './protocol-error.ts';

/** Produce: from version 3 on a batch has the format of today, and up to 7 the request has the same form. */
const PRODUCE = 0;
const OLDEST = 3;
const NEWEST = 7;

export interface ProduceRequest {
  /** Which replicas must have it before Kafka answers: -1 all in sync, 1 the leader, 0 none: nothing answers. */
  readonly acks: -1 | 0 | 1;
  /** How long Kafka may wait for replicas, in milliseconds. */
  readonly timeout: number;
  /** Batches of records (record-batch.ts), one of each partition. */
  readonly batches: readonly { readonly topic: string; readonly partition: number; readonly bytes: Buffer }[];
}

/** What became of the batch of one partition. */
export interface Produced {
  readonly topic: string;
  readonly partition: number;
  /** Kafka's number of an error; 0: none. */
  readonly errorCode: number;
}

/** The newest version of the request that both sides know. */
export function produceVersion({ versions }: Broker): number {
  const { minVersion, maxVersion } = versions?.[PRODUCE] ?? { minVersion: OLDEST, maxVersion: OLDEST };
  if (minVersion > NEWEST || maxVersion < OLDEST) {
    throw new Error(`Kafka takes requests to produce of the versions ${minVersion} to ${maxVersion} alone`);
  }
  return Math.min(maxVersion, NEWEST);
}

/**
 * A request to produce as kafkajs sends it. The answer tells of each partition by itself: kafkajs takes the error of one for
 * that of all. By itself it also makes six small buffers for a record, and copies each batch six times.
 */
export function produceExchange(request: ProduceRequest, version: number): Exchange<readonly Produced[]> {
  return {
    request: {
      apiKey: PRODUCE,
      apiVersion: version,
      apiName: 'Produce',
      expectResponse: () => request.acks !== 0,
      parts: () => partsOf(request),
    },
    response: { decode: async (raw) => decodeProduced(raw, version), parse: async (data) => data },
  };
}

/** The batches as they are, and between them what names their partitions. */
function partsOf({ acks, timeout, batches }: ProduceRequest): readonly Buffer[] {
  const byTopic = Map.groupBy(batches, ({ topic }) => topic);
  const parts: Buffer[] = [];
  const head = [text(null), int16(acks), int32(timeout), int32(byTopic.size)];
  for (const [topic, ofTopic] of byTopic) {
    head.push(text(topic), int32(ofTopic.length));
    for (const { partition, bytes } of ofTopic) {
      parts.push(Buffer.concat([...head.splice(0), int32(partition), int32(bytes.length)]), bytes);
    }
  }
  return parts;
}

/** Reads an answer to a request to produce, of the versions from 3 to 7. */
export function decodeProduced(raw: Buffer, version: number): readonly Produced[] {
  const produced: Produced[] = [];
  // Behind the error: offset and time, and since version 5 where the log starts.
  const rest = version >= 5 ? 24 : 16;
  let at = 4;
  for (let topics = raw.readInt32BE(0); topics > 0; topics--) {
    const length = raw.readInt16BE(at);
    const topic = raw.toString('utf8', at + 2, at + 2 + length);
    at += 2 + length;
    let count = raw.readInt32BE(at);
    for (at += 4; count > 0; count--, at += 6 + rest) {
      produced.push({ topic, partition: raw.readInt32BE(at), errorCode: raw.readInt16BE(at + 4) });
    }
  }
  return produced;
}

const UNKNOWN_TOPIC = 3;
const NOT_LEADER = 6;

/** 46: DUPLICATE_SEQUENCE_NUMBER, Kafka had the batch before. */
const SOUND: ReadonlySet<number> = new Set([0, 46]);
/** MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_TIMESTAMP, INVALID_RECORD. */
const REFUSED: ReadonlySet<number> = new Set([10, 18, 32, 87]);
/**
 * CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, NOT_ENOUGH_REPLICAS, TOPIC_AUTHORIZATION_FAILED,
 * CLUSTER_AUTHORIZATION_FAILED: told before anything is written. Not so NOT_LEADER: who leads no more while the replicas fetch
 * what was written says the same.
 */
const NOT_WRITTEN: ReadonlySet<number> = new Set([2, UNKNOWN_TOPIC, 17, 19, 29, 31]);
/** OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING, UNKNOWN_PRODUCER_ID. */
const OUT_OF_ORDER: ReadonlySet<number> = new Set([45, 47, 49, 59]);

/**
 * What Kafka's number of an error means for a batch: `sound` it has it, `refused` it wrote nothing of it and never will,
 * `out-of-order` its numbers do not follow what it has, `not-written` it wrote nothing of it this time, `failed` it may have
 * it or not.
 */
export function meaningOf(
  errorCode: number,
): 'sound' | 'refused' | 'out-of-order' | 'not-written' | 'failed' {
  if (SOUND.has(errorCode)) return 'sound';
  if (REFUSED.has(errorCode)) return 'refused';
  if (NOT_WRITTEN.has(errorCode)) return 'not-written';
  return OUT_OF_ORDER.has(errorCode) ? 'out-of-order' : 'failed';
}

/** A node says UNKNOWN_TOPIC of a partition that it does not have. Whether there is such a topic, only metadata tells. */
export const errorOf = (errorCode: number): Error =>
  protocolError(errorCode === UNKNOWN_TOPIC ? NOT_LEADER : errorCode);
