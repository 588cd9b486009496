import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pemText, pemWanted } from '../../web/src/forms/pem.ts';

const block = (kind: string) => `-----BEGIN ${kind}-----\nAAAA\n-----END ${kind}-----\n`;
const CERTIFICATE = block('CERTIFICATE');
const KEY = block('EC PRIVATE KEY');

test('PEM is counted, and what stands in the wrong field is told', () => {
  assert.deepEqual(pemText('', 'key'), { text: '', isWrong: false });
  assert.equal(pemText('${file:/k}', 'key').text, '');
  assert.equal(pemText(CERTIFICATE, 'certificate').text, '1 certificate');
  assert.equal(pemText(CERTIFICATE + CERTIFICATE, 'certificate').text, '2 certificates');
  assert.equal(pemText(KEY, 'key').text, '1 private key');
  assert.equal(pemText(block('EC PARAMETERS') + KEY, 'key').text, '1 private key, and 1 other block');
  for (const [value, wants, text] of [
    [KEY, 'certificate', /private key in it, where a certificate belongs/],
    [CERTIFICATE + KEY, 'certificate', /private key in it/],
    [CERTIFICATE, 'key', /certificate in it, where a private key belongs/],
    [KEY + KEY, 'key', /2 private keys/],
    ['AAAA', 'key', /no PEM block/],
    ['-----BEGIN CERTIFICATE-----\nAAAA', 'certificate', /no PEM block/],
  ] as const) {
    const told = pemText(value, wants);
    assert.ok(told.isWrong, value);
    assert.match(told.text, text);
  }
  assert.deepEqual(['ca_cert', 'cert', 'private_key', 'private_key_password', 'name'].map(pemWanted), [
    'certificate',
    'certificate',
    'key',
    undefined,
    undefined,
  ]);
});
