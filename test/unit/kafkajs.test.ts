import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { murmur2, partitionOfKey } from '../../src/kafkajs/key-partition.ts';
import { stopBusyTimer } from '../../src/kafkajs/request-queue.ts';

const kafkajs = createRequire(import.meta.url);

test('keys hash as those of the Java client', () => {
  // From UtilsTest of Kafka's own sources.
  const hashes = {
    '21': -973932308,
    foobar: -790332482,
    'a-little-bit-long-string': -985981536,
    'a-little-bit-longer-string': -1486304829,
    lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    abc: 479470107,
  };
  for (const [key, hash] of Object.entries(hashes)) assert.equal(murmur2(Buffer.from(key)), hash, key);
  assert.equal(partitionOfKey('21', 7), (-973932308 & 0x7fffffff) % 7);
});

test('any key hashes as in kafkajs', () => {
  const slow = kafkajs('kafkajs/src/producer/partitioners/default/murmur2') as typeof murmur2;
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      (key) => murmur2(key) === slow(Buffer.from(key) as Uint8Array),
    ),
  );
});

test('an idle connection of kafkajs has no timer', () => {
  const Queue = kafkajs('kafkajs/src/network/requestQueue') as new (
    options: object,
  ) => { checkPendingRequests(): void; readonly throttleCheckTimeoutId: object | null };
  stopBusyTimer();
  stopBusyTimer();
  const queue = new Queue({ logger: { debug() {} } });
  queue.checkPendingRequests();
  assert.equal(queue.throttleCheckTimeoutId, null);
});
