import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { isSetBack, type Last, lastOf } from '../../src/control-plane/outbox/last-record.ts';

type Told = MessageInitShape<typeof DownlinkRecordSchema> | null;

const of = (generation: bigint, seconds = 1n): Told => ({
  integration: { generation, updateTime: { seconds } },
});
const gone = (generation: bigint): Told => ({ gone: { generation } });

const after = (...told: Told[]): Last =>
  told.reduce<Last | undefined>(
    (before, one) =>
      lastOf({ topic: 't', key: 'k' }, one ? create(DownlinkRecordSchema, one) : undefined, before),
    undefined,
  )!;

const STATE = { isDeleted: false, secretKeys: undefined, isPending: false, updateTime: 1000 };
const setBack = (generation: bigint, ...told: Told[]) => isSetBack(after(...told), { ...STATE, generation });

test('PostgreSQL was set back where others were told what it does not know', () => {
  assert.equal(setBack(2n, of(3n)), true, 'a later generation');
  assert.equal(setBack(2n, of(6n), of(2n)), true, 'also behind what was published since');
  assert.equal(setBack(2n, of(2n, 7n), of(2n)), true, 'the same generation said something else');
  assert.equal(setBack(2n, of(2n, 7n)), true, 'and does so still');
  assert.equal(setBack(2n, gone(2n), null), true, 'it is gone at that generation');
  assert.equal(setBack(2n, gone(5n), null, of(2n)), true, 'or later');
  assert.equal(setBack(2n, null), true, 'nobody knows how new it was');
});

test('what comes late is no sign of that', () => {
  assert.equal(setBack(2n, of(2n)), false);
  assert.equal(setBack(2n, of(2n), of(2n)), false, 'published again');
  assert.equal(setBack(3n, of(3n), of(2n, 0n)), false);
  assert.equal(setBack(3n, of(2n, 0n), of(2n, 7n), of(3n)), false, 'outdone since');
  assert.equal(setBack(3n, gone(2n), null), false);
  assert.equal(setBack(3n, gone(2n), null, of(3n)), false);
  assert.equal(
    setBack(2n, { integration: { generation: 2n } }),
    false,
    'of a version that does not say when',
  );
  assert.equal(
    isSetBack(after(of(9n)), { ...STATE, generation: 2n, isDeleted: true, updateTime: undefined }),
    false,
  );
});
