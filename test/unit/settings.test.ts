import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings } from '../../src/runtime/settings.ts';

test('DNS servers are IP addresses, with or without ports', () => {
  const servers = (value: string) => readSettings({}, { PENSTOCK_DNS_SERVERS: value }).PENSTOCK_DNS_SERVERS;
  assert.deepEqual(servers(''), []);
  const good = ['10.0.0.2', '10.0.0.2:5353', '::1', '[fd00::2]', '[fd00::2]:53'];
  assert.deepEqual(servers(good.join(', ')), good);
  for (const bad of ['dns.example', 'localhost:53', '10.0.0.2:', '[10.0.0.2', '10.0.0:53', '[]:53']) {
    assert.throws(
      () => servers(bad),
      /^SettingsError: PENSTOCK_DNS_SERVERS=.*: .* must be an IP address, with/,
      bad,
    );
  }
});

test('origins are read as browsers send them; one that is none, or everybody, is refused', () => {
  const origins = (value: string) =>
    readSettings({}, { PENSTOCK_HTTP_CORS_ORIGINS: value }).PENSTOCK_HTTP_CORS_ORIGINS;
  assert.deepEqual(origins(''), []);
  assert.deepEqual(origins('https://App.example.com:443/, http://localhost:3000,https://bücher.example'), [
    'https://app.example.com',
    'http://localhost:3000',
    'https://xn--bcher-kva.example',
  ]);
  assert.throws(() => origins('https://a.example,*'), /with \* every web page could call/);
  for (const bad of [
    'a.example',
    'null',
    'https://a.example/x',
    'https://u@a.example',
    'ftp://a.example',
    'https://',
  ]) {
    assert.throws(() => origins(bad), /must be an origin, without a path: https:/, bad);
  }
});
