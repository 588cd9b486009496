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
