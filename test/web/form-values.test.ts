import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScalarType } from '@bufbuild/protobuf';
import { HttpConfigurationSchema } from '../../gen/penstock/v1/http_pb.ts';
import { KafkaConfigurationSchema } from '../../gen/penstock/v1/kafka_pb.ts';
import { durationText, linesOf, numberText, readDuration, readNumber } from '../../web/src/forms/values.ts';

test('a time is read as people write it, and written back as it is', () => {
  const texts: Record<string, readonly [bigint, number]> = {
    '1.5s': [1n, 500_000_000],
    '200ms': [0n, 200_000_000],
    '0.25 s': [0n, 250_000_000],
    '2m': [120n, 0],
    '2 min': [120n, 0],
    '1h': [3600n, 0],
    '1.5d': [129_600n, 0],
    '0s': [0n, 0],
    '1.000000001s': [1n, 1],
  };
  for (const [text, [seconds, nanos]] of Object.entries(texts)) {
    const read = readDuration(text);
    assert.ok('value' in read && read.value, text);
    assert.deepEqual([read.value.seconds, read.value.nanos], [seconds, nanos], text);
    assert.deepEqual(readDuration(durationText(read.value)), read, durationText(read.value));
  }
  assert.deepEqual(readDuration(' '), { value: undefined });
  for (const text of ['1', '-1s', '1 second', 's', '1e3s', '1s 2ms', '1.s'])
    assert.ok('problem' in readDuration(text), text);
});

test('a number is read as a number, or as a size, within its bounds', () => {
  const field = (name: string, scalar: ScalarType) => {
    const all = [...HttpConfigurationSchema.fields, ...KafkaConfigurationSchema.fields];
    const found = all.find((one) => one.name === name);
    assert.equal(found?.scalar, scalar);
    return found;
  };
  const bytes = field('max_in_memory_buffer_size_bytes', ScalarType.UINT32);
  const wide = field('buffer_memory_bytes', ScalarType.UINT64);
  const count = field('max_parallel_requests_count', ScalarType.UINT32);
  assert.deepEqual(readNumber('16 MiB', bytes), { value: 16_777_216 });
  assert.deepEqual(readNumber('16777216', wide), { value: 16_777_216n });
  assert.deepEqual(readNumber('4294967295', count), { value: 4_294_967_295 });
  assert.deepEqual(readNumber('', count), { value: undefined });
  assert.deepEqual(readNumber('18446744073709551615', wide), { value: 18_446_744_073_709_551_615n });
  for (const text of ['4294967296', '4 GiB', '-1', '1.5', '1e3', 'x', '16MB'])
    assert.ok('problem' in readNumber(text, count), text);
  assert.ok('problem' in readNumber('18446744073709551616', wide));
  assert.deepEqual(
    [
      numberText(16_777_216, bytes),
      numberText(1500, bytes),
      numberText(1024n, wide),
      numberText(0, bytes),
      numberText(1024, count),
    ],
    ['16 MiB', '1500', '1 KiB', '0', '1024'],
  );
});

test('of lines those count that say something', () => {
  assert.deepEqual(linesOf(' a/# \n\n b\r\n'), ['a/#', 'b']);
});
