import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mock, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { decodeProduced, produceExchange, produceVersion } from '../../src/kafkajs/produce-request.ts';
import { type RecordInit, recordBatch } from '../../src/kafkajs/record-batch.ts';

const kafkajs = createRequire(import.meta.url);
const REQUESTS = 'kafkajs/src/protocol/requests/produce';

interface Init {
  readonly acks: -1 | 0 | 1;
  readonly timeout: number;
  readonly producerId: string | number;
  readonly producerEpoch: number;
  readonly compression: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly firstSequence: number;
      readonly messages: readonly RecordInit[];
    }[];
  }[];
}

/** The request of kafkajs itself. */
const own = kafkajs(`${REQUESTS}/v3/request`) as (init: object) => {
  encode(): Promise<{ readonly buffer: Buffer }>;
};

/** The same in ours. */
async function ours(init: Init): Promise<Buffer> {
  const { acks, timeout, producerId, producerEpoch, compression, topicData } = init;
  const batches = topicData.flatMap(({ topic, partitions }) =>
    partitions.map(async ({ partition, firstSequence, messages: records }) => ({
      topic,
      partition,
      bytes: await recordBatch({
        records,
        compression,
        compress: async (bytes) => gzipSync(bytes),
        isTransactional: false,
        producerId: BigInt(producerId),
        producerEpoch,
        firstSequence,
        now: Date.now(),
      }),
    })),
  );
  const { request } = produceExchange({ acks, timeout, batches: await Promise.all(batches) }, 7);
  return Buffer.concat(request.parts?.() ?? []);
}

// Short texts in ASCII are written in another way.
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.string({ maxLength: 80 }));
const bytes = fc.uint8Array({ maxLength: 300 }).map((one) => Buffer.from(one));
const content = fc.oneof(text, bytes);
const message = fc.record(
  {
    key: fc.oneof(fc.constant(null), content),
    value: fc.oneof(fc.constant(null), content),
    headers: fc.dictionary(text, fc.oneof(content, fc.array(content, { maxLength: 3 })), { maxKeys: 4 }),
  },
  { requiredKeys: ['key', 'value'] },
);
const partition = fc.record({
  partition: fc.nat({ max: 1000 }),
  firstSequence: fc.nat(),
  messages: fc.array(message, { minLength: 1, maxLength: 30 }),
});
const request = fc.record({
  acks: fc.constantFrom(-1 as const, 0 as const, 1 as const),
  timeout: fc.nat(),
  producerId: fc.oneof(fc.constant(-1), fc.bigInt(0n, 2n ** 62n).map(String)),
  producerEpoch: fc.nat({ max: 32_767 }),
  compression: fc.constantFrom(0, 1),
  topicData: fc.uniqueArray(
    fc.record({ topic: text, partitions: fc.array(partition, { minLength: 1, maxLength: 3 }) }),
    { minLength: 1, maxLength: 2, selector: ({ topic }) => topic },
  ),
});

test('requests to produce are those of kafkajs, byte for byte', async (t) => {
  mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
  t.after(() => mock.timers.reset());
  await fc.assert(
    fc.asyncProperty(request, async (init) => {
      assert.deepEqual(await ours(init), (await own(init).encode()).buffer);
    }),
    { numRuns: 300 },
  );
});

test('the newest version that both sides know is spoken; a Kafka that knows none is told', () => {
  const versionOf = (minVersion: number, maxVersion: number) =>
    produceVersion({ versions: { 0: { minVersion, maxVersion } } } as never);
  assert.equal(versionOf(0, 12), 7);
  assert.equal(versionOf(3, 5), 5);
  assert.throws(() => versionOf(0, 2), /versions 0 to 2 alone/);
  assert.throws(() => versionOf(8, 12), /versions 8 to 12 alone/);
});

test('an answer tells of each partition by itself, in every version', () => {
  for (const version of [3, 4, 5, 6, 7]) {
    const partition = (index: number, errorCode: number) => {
      const bytes = Buffer.alloc(version >= 5 ? 30 : 22, 255);
      bytes.writeInt32BE(index, 0);
      bytes.writeInt16BE(errorCode, 4);
      return bytes;
    };
    const int32 = (value: number) => Buffer.from([0, 0, 0, value]);
    const topic = (name: string, ...partitions: Buffer[]) => [
      Buffer.from([0, name.length]),
      Buffer.from(name),
      int32(partitions.length),
      ...partitions,
    ];
    const raw = Buffer.concat([
      int32(2),
      ...topic('a', partition(0, 0), partition(3, 6)),
      ...topic('bc', partition(1, -1)),
      int32(0),
    ]);
    assert.deepEqual(decodeProduced(raw, version), [
      { topic: 'a', partition: 0, errorCode: 0 },
      { topic: 'a', partition: 3, errorCode: 6 },
      { topic: 'bc', partition: 1, errorCode: -1 },
    ]);
  }
});

test('a large batch, with times of its own, is that of kafkajs', async () => {
  const messages = Array.from({ length: 3000 }, (_, i) => ({
    key: `k${i}`,
    value: 'x'.repeat(i),
    timestamp: String(1_700_000_000_000 + i * 5_000_000),
  }));
  const topicData = [{ topic: 't', partitions: [{ partition: 0, firstSequence: 0, messages }] }];
  const init = {
    acks: -1,
    timeout: 1000,
    producerId: -1,
    producerEpoch: 0,
    compression: 0,
    topicData,
  } as const;
  assert.ok((await ours(init)).equals((await own(init).encode()).buffer));
});

test('headers in a list keep their order, and names that repeat', async () => {
  const headers = ['b', '1', 'a', 'b'].map((key, i) => ({ key, value: Buffer.from(`${i}`) }));
  const batch = await recordBatch({
    records: [{ key: null, value: Buffer.alloc(0), headers }],
    compression: 0,
    compress: async (records) => gzipSync(records),
    isTransactional: false,
    producerId: -1n,
    producerEpoch: 0,
    firstSequence: 0,
    now: 0,
  });
  const list = headers.flatMap(({ key, value }) => [2, ...Buffer.from(key), 2, ...value]);
  assert.deepEqual([...batch.subarray(-list.length - 1)], [8, ...list]);
});
