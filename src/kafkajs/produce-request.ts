import { createRequire } from 'node:module';
import { systemClock } from '../runtime/clock.ts';
import { int16, int32, text } from './bytes.ts';
import { type RecordInit, recordBatch } from './record-batch.ts';

interface ProduceRequest {
  readonly acks: number;
  readonly timeout: number;
  readonly transactionalId?: string | null;
  readonly producerId?: { toString(): string };
  readonly producerEpoch?: number;
  readonly compression?: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly firstSequence?: number;
      readonly messages: readonly RecordInit[];
    }[];
  }[];
}

interface Compressions {
  lookupCodec(compression: number): { compress(encoder: { readonly buffer: Buffer }): Promise<Buffer> };
}

const PRODUCE = 0;
const VERSION = 3;

/**
 * Lets kafkajs write requests to produce in one piece. By itself it makes six small buffers for a record, copies each
 * batch six times, and counts in BigInt, which is most of what producing costs. kafkajs is pinned, and a test says whether
 * this still takes hold, and writes the same bytes. To be called before anything is produced.
 */
export function writeProduceRequestsAtOnce(): void {
  const kafkajs = createRequire(import.meta.url);
  const path = kafkajs.resolve('kafkajs/src/protocol/requests/produce/v3/request');
  const compressions = kafkajs('kafkajs/src/protocol/message/compression') as Compressions;
  kafkajs(path);
  // The versions up to 7 are made of this one.
  kafkajs.cache[path]!.exports = (request: ProduceRequest) => ({
    apiKey: PRODUCE,
    apiVersion: VERSION,
    apiName: 'Produce',
    expectResponse: () => request.acks !== 0,
    encode: () => encode(request, compressions),
  });
}

/** The request in the form that kafkajs puts its header before. */
async function encode(
  request: ProduceRequest,
  { lookupCodec }: Compressions,
): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }> {
  const { transactionalId = null, compression = 0, topicData } = request;
  const compress = (buffer: Buffer) => lookupCodec(compression).compress({ buffer });
  const shared = {
    compression,
    compress,
    isTransactional: transactionalId !== null && transactionalId !== '',
    producerId: BigInt(request.producerId?.toString() ?? -1),
    producerEpoch: request.producerEpoch ?? 0,
    now: systemClock.now(),
  };
  const parts = [text(transactionalId), int16(request.acks), int32(request.timeout), int32(topicData.length)];
  for (const { topic, partitions } of topicData) {
    parts.push(text(topic), int32(partitions.length));
    for (const { partition, messages, firstSequence = 0 } of partitions) {
      const batch = await recordBatch({ ...shared, records: messages, firstSequence });
      parts.push(int32(partition), int32(batch.length), batch);
    }
  }
  const buffer = Buffer.concat(parts);
  return { buf: buffer, buffer };
}
