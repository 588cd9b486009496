import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mock, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { writeProduceRequestsAtOnce } from '../../src/kafkajs/produce-request.ts';
import { recordBatch } from '../../src/kafkajs/record-batch.ts';

const kafkajs = createRequire(import.meta.url);
const REQUESTS = 'kafkajs/src/protocol/requests/produce';

type Request = (init: object) => {
  readonly apiVersion: number;
  encode(): Promise<{ readonly buffer: Buffer }>;
};

/** The request of kafkajs itself. */
const own = kafkajs(`${REQUESTS}/v3/request`) as Request;
writeProduceRequestsAtOnce();
const ours = kafkajs(`${REQUESTS}/v7/request`) as Request;

const text = fc.string({ unit: 'grapheme', maxLength: 200 });
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
  acks: fc.constantFrom(-1, 0, 1),
  timeout: fc.nat(),
  transactionalId: fc.oneof(fc.constant(null), fc.string({ minLength: 1, maxLength: 9 })),
  producerId: fc.oneof(fc.constant(-1), fc.bigInt(0n, 2n ** 62n).map(String)),
  producerEpoch: fc.nat({ max: 32_767 }),
  compression: fc.constantFrom(0, 1),
  topicData: fc.array(
    fc.record({ topic: text, partitions: fc.array(partition, { minLength: 1, maxLength: 3 }) }),
    { minLength: 1, maxLength: 2 },
  ),
});

test('requests to produce are those of kafkajs, byte for byte', async (t) => {
  mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
  t.after(() => mock.timers.reset());
  await fc.assert(
    fc.asyncProperty(request, async (init) => {
      const { buffer } = await ours(init).encode();
      assert.deepEqual(buffer, (await own(init).encode()).buffer);
    }),
    { numRuns: 300 },
  );
});

test('kafkajs writes its requests so, of the newest version that it knows', () => {
  const init = { acks: -1, timeout: 1000, topicData: [] };
  assert.equal(ours(init).apiVersion, 7);
  assert.notEqual(String(ours(init).encode), String(own(init).encode));
});

test('a large batch, with times of its own, is that of kafkajs', async () => {
  const messages = Array.from({ length: 3000 }, (_, i) => ({
    key: `k${i}`,
    value: 'x'.repeat(i),
    timestamp: String(1_700_000_000_000 + i * 5_000_000),
  }));
  const topicData = [{ topic: 't', partitions: [{ partition: 0, messages }] }];
  const init = { acks: -1, timeout: 1000, topicData };
  const [{ buffer }, expected] = [await ours(init).encode(), (await own(init).encode()).buffer];
  assert.ok(buffer.equals(expected));
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
