import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masked } from '../../src/contract/masked.ts';

const SECRET = 'p&s:ö "s3cret"/+=?>';
const base64 = (text: string) => Buffer.from(text).toString('base64');

const WAYS: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'with percents': encodeURIComponent,
  'as a form': (text) => new URLSearchParams({ '': text }).toString().slice(1),
  'as JSON': (text) => JSON.stringify(text).slice(1, -1),
  'with small percents': (text) => encodeURIComponent(text).replace(/%../g, (one) => one.toLowerCase()),
  'as JSON of PHP': (text) =>
    JSON.stringify(text).slice(1, -1).replaceAll('/', '\\/').replaceAll('ö', '\\u00f6'),
  'as JSON of Python': (text) => JSON.stringify(text).slice(1, -1).replaceAll('ö', '\\u00f6'),
  'as JSON of Go': (text) =>
    JSON.stringify(text).slice(1, -1).replaceAll('&', '\\u0026').replaceAll('>', '\\u003e'),
  'in hex': (text) => Buffer.from(text).toString('hex'),
  'in HEX': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  'in base64': base64,
  'in base64 of a login': (text) => base64(`m:${text}`),
  'in base64 of a longer one': (text) => base64(`me@:${text}`),
  'in base64 between others': (text) => base64(`{"login":"${text}"}`),
  'in base64url': (text) => Buffer.from(`a:${text}`).toString('base64url'),
};

test('a secret is masked however it is written, whole and cut off', () => {
  for (const [name, way] of Object.entries(WAYS)) {
    const written = way(SECRET);
    const told = masked(`you sent ${written}, which is wrong`, [SECRET]);
    assert.match(told, /^you sent [\w+/=-]{0,14}\*\*\*[\w+/=-]{0,4}, which is wrong$/, name);
    const half = written.slice(0, Math.ceil(written.length * 0.6));
    assert.match(masked(`you sent ${half}`, [SECRET]), /^you sent [\w+/=-]{0,14}\*\*\*$/, name);
  }
});

test('what is no secret stays, and so does what is too short to be one', () => {
  const text = 'the endpoint answered 500: abc, abcabc';
  assert.equal(masked(text, []), text);
  assert.equal(masked(text, ['abc', '']), text);
  assert.equal(masked(text, [SECRET]), text);
  assert.equal(masked('', [SECRET]), '');
  assert.equal(masked('half of a pair \ud800', ['\ud800 and more']), 'half of a pair \ud800');
});

test('several secrets are masked, each time', () => {
  const secrets = ['first one', 'second one'];
  for (const text of ['first one second one first one', `${base64('first one')} second one first o`]) {
    assert.match(masked(text, secrets), /^\*\*\* \*\*\* \*\*\*$/);
  }
});
