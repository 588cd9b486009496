import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { OffsetRange, SettledAhead } from '../../src/bus/bus.ts';
import { METADATA_LIMIT, metadataOf, parseMetadata } from '../../src/bus/offset-metadata.ts';
import { ownerOf } from '../../src/executor/delivery/share.ts';
import { MAX_AHEAD, MAX_RANGES } from '../../src/executor/delivery/window.ts';

const MESSAGE = { topic: 't', partition: 0 };
const TAG = `kafka/16@penstock-${'n'.repeat(200)}-6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11`;

/** Ranges from an offset on: so many that are not settled, and so many that are, in turn. */
function rangesOf(offset: number, runs: readonly (readonly [number, number])[]): readonly OffsetRange[] {
  let last = offset;
  return runs.map(([unsettled, settled]) => {
    const start = last + unsettled;
    last = start + settled;
    return { start, end: last };
  });
}

const count = (ranges: readonly OffsetRange[]) =>
  ranges.reduce((sum, { start, end }) => sum + end - start, 0);

const offset = fc.nat(Number.MAX_SAFE_INTEGER - 1e7);
const latest = fc.nat(Number.MAX_SAFE_INTEGER);
const run = (most: number) => fc.tuple(fc.integer({ min: 1, max: most }), fc.integer({ min: 1, max: most }));
const tag = fc.constantFrom('', 'http/1@m', TAG);

test('what is settled ahead, and the tag, are told as they were committed', () => {
  fc.assert(
    fc.property(
      offset,
      latest,
      fc.array(run(300), { minLength: 1, maxLength: 200 }),
      tag,
      (at, time, runs, by) => {
        const ahead: SettledAhead = { ranges: rangesOf(at, runs), latest: time };
        const metadata = metadataOf({ ...MESSAGE, offset: at, ahead, tag: by });
        assert.deepEqual(parseMetadata(metadata, at), { tag: by, ahead });
      },
    ),
  );
});

test('without anything settled ahead the metadata is the tag, as it always was', () => {
  for (const text of ['', 'http/1', 'http/1@m', TAG]) {
    assert.equal(metadataOf({ ...MESSAGE, offset: 7, tag: text }), text);
    assert.deepEqual(parseMetadata(text, 7), { tag: text });
  }
  assert.deepEqual(parseMetadata(null, 7), { tag: '' });
});

test('an earlier version waits for whoever has the partition, and takes over what nobody has', () => {
  const ahead = { ranges: [{ start: 8, end: 9 }], latest: 1 };
  const held = ownerOf(metadataOf({ ...MESSAGE, offset: 7, ahead, tag: 'http/1@m' }));
  assert.equal(held.member, 'm');
  assert.notEqual(held.spread, 'http/1');
  const released = metadataOf({ ...MESSAGE, offset: 7, ahead, tag: '' });
  assert.equal(ownerOf(released).member, '', 'no member is called so: it counts as gone');
});

test('beside another offset, or when it cannot be read, nothing is settled ahead', () => {
  const ahead = { ranges: [{ start: 8, end: 9 }], latest: 1 };
  const metadata = metadataOf({ ...MESSAGE, offset: 7, ahead, tag: 'http/1@m' });
  assert.deepEqual(parseMetadata(metadata, 6), { tag: 'http/1@m' }, 'somebody moved the offset');
  for (const text of ['A', 'AAAA', '____', 'CAgQ', 'GgH_', 'x'.repeat(4000)]) {
    assert.deepEqual(parseMetadata(`~${text}~http/1@m`, 7), { tag: 'http/1@m' }, text);
  }
  assert.deepEqual(parseMetadata('~~http/1@m', 7), { tag: '~~http/1@m' });
});

test('what is read is bounded, whatever was written', () => {
  const ahead = {
    ranges: [
      { start: 1, end: 2 },
      { start: 10, end: 4e9 },
      { start: 5e9, end: 5e9 + 1 },
    ],
    latest: 1,
  };
  const { ahead: found } = parseMetadata(metadataOf({ ...MESSAGE, offset: 0, ahead, tag: '' }), 0);
  assert.deepEqual(found?.ranges, [
    { start: 1, end: 2 },
    { start: 10, end: 1_000_000 },
  ]);
});

test('a range that begins where no more is read is left out', () => {
  const ahead = {
    ranges: [
      { start: 6, end: 7 },
      { start: 1_000_005, end: 1_000_006 },
    ],
    latest: 1,
  };
  const metadata = metadataOf({ ...MESSAGE, offset: 5, ahead, tag: '' });
  assert.deepEqual(parseMetadata(metadata, 5).ahead?.ranges, [{ start: 6, end: 7 }]);
});

test('as many ranges as may be ahead fit, wherever they lie', () => {
  const each = Math.floor(MAX_AHEAD / MAX_RANGES);
  const shapes: readonly (readonly (readonly [number, number])[])[] = [
    Array.from({ length: MAX_RANGES }, () => [1, each - 1]),
    Array.from({ length: MAX_RANGES }, () => [each - 1, 1]),
    Array.from({ length: MAX_RANGES }, (_, i) => (i % 4 === 0 ? [128, 4 * each - 134] : [1, 1])),
    Array.from({ length: MAX_RANGES }, (_, i) => (i % 3 === 0 ? [128, 128] : [1, 17])),
  ];
  for (const shape of shapes) {
    const ranges = rangesOf(1e12, shape);
    assert.ok(ranges.at(-1)!.end - 1e12 <= MAX_AHEAD);
    const ahead = { ranges, latest: 1e13 };
    const metadata = metadataOf({ ...MESSAGE, offset: 1e12, ahead, tag: TAG });
    assert.ok(metadata.length <= METADATA_LIMIT, `${metadata.length}`);
    assert.deepEqual(parseMetadata(metadata, 1e12), { tag: TAG, ahead });
  }
});

test('what does not fit is left out, the shortest ranges first, and nothing is made up', () => {
  fc.assert(
    fc.property(
      fc.array(run(200), { minLength: 1, maxLength: 300 }),
      fc.integer({ min: 0, max: 600 }),
      tag,
      (runs, limit, by) => {
        const ranges = rangesOf(5, runs);
        const metadata = metadataOf({ ...MESSAGE, offset: 5, ahead: { ranges, latest: 9 }, tag: by }, limit);
        assert.ok(metadata.length <= Math.max(limit, by.length));
        const { ahead } = parseMetadata(metadata, 5);
        const kept = ahead?.ranges ?? [];
        const all = new Set(ranges.map(({ start, end }) => `${start}-${end}`));
        assert.ok(kept.every(({ start, end }) => all.has(`${start}-${end}`)));
        const lengths = ranges.map(({ start, end }) => end - start).toSorted((a, b) => b - a);
        assert.equal(
          count(kept),
          lengths.slice(0, kept.length).reduce((sum, length) => sum + length, 0),
        );
      },
    ),
  );
});
