import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpDate } from '../../src/executor/handlers/http/http-date.ts';

const NOW = Date.UTC(2026, 10, 21);

test('a date of HTTP has three forms', () => {
  const time = Date.UTC(1994, 10, 6, 8, 49, 37);
  for (const text of [
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
    'Sun Nov 06 08:49:37 1994',
  ]) {
    assert.equal(httpDate(text, NOW), time, text);
  }
  assert.equal(httpDate('Wed Nov 16 23:59:60 1994', NOW), Date.UTC(1994, 10, 17));
});

test('a year of two digits is at most 50 years ahead', () => {
  for (const [digits, year] of [
    ['26', 2026],
    ['27', 2027],
    ['76', 2076],
    ['77', 1977],
    ['99', 1999],
    ['00', 2000],
  ] as const) {
    assert.equal(httpDate(`Sunday, 01-Jan-${digits} 00:00:00 GMT`, NOW), Date.UTC(year, 0, 1), digits);
  }
  assert.equal(httpDate('Saturday, 01-Jan-00 00:00:00 GMT', Date.UTC(2099, 0, 1)), Date.UTC(2100, 0, 1));
});

test('what is no such date is none', () => {
  for (const text of [
    '',
    'soon',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 08:49:37 +0100',
    'Sun, 06 Nov 1994 25:49:37 GMT',
    'Sun, 06 Nvo 1994 08:49:37 GMT',
    '1994-11-06T08:49:37Z',
    'Sun Nov  6 08:49:37 1994 GMT',
  ]) {
    assert.equal(httpDate(text, NOW), undefined, text);
  }
});
