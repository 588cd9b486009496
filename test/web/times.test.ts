import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputText, readInput, readIso, spanText, timeText } from '../../web/src/ui/times.ts';

test('a length of time is told in its two largest units', () => {
  const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];
  const spans: readonly (readonly [number, string])[] = [
    [-5, 'now'],
    [999, 'now'],
    [second, '1 s'],
    [59.9 * second, '59 s'],
    [minute, '1 min'],
    [3 * minute + 4 * second, '3 min 4 s'],
    [12 * minute + 4 * second, '12 min'],
    [hour + minute, '1 h 1 min'],
    [9 * day + 23 * hour, '9 d 23 h'],
    [400 * day, '400 d'],
  ];
  for (const [ms, text] of spans) assert.equal(spanText(ms), text);
});

test('a time says its zone', () => {
  const time = new Date('2026-11-29T22:03:04.567Z');
  assert.equal(timeText(time, 'UTC'), '2026-11-29 22:03:04 UTC');
  assert.match(timeText(time, 'local'), /^2026-11-\d\d \d\d:\d3:04 [+-]\d\d:\d\d$/);
});

test('a control for a time holds it in the zone that is chosen, and gives it back', () => {
  const time = new Date('2026-11-29T12:03:04Z');
  assert.equal(inputText(time, 'UTC'), '2026-11-29T12:03:04');
  for (const zone of ['UTC', 'local'] as const)
    assert.deepEqual(readInput(inputText(time, zone), zone), time, zone);
  assert.equal(readInput('', 'UTC'), undefined);
  assert.equal(readInput('', 'local'), undefined);
});

test('a time of a URL says its zone, or is none', () => {
  assert.deepEqual(readIso('2026-11-29T13:03:04+01:00'), new Date('2026-11-29T12:03:04Z'));
  for (const text of ['', '2026-11-29', '2026-11-29T12:03:04', '2026-13-29T12:03:04Z', 'now'])
    assert.equal(readIso(text), undefined, text);
});
