import assert from 'node:assert/strict';
import { test } from 'node:test';
import { postgresReason } from '../../src/control-plane/store/postgres-reason.ts';
import { refusalOf } from '../../src/kafkajs/refusal.ts';
import { pemProblem } from '../../src/runtime/pem.ts';
import { tlsRefusal } from '../../src/runtime/tls-refusal.ts';
import { certificateAuthority } from '../helpers/certificates.ts';

test('what is said of TLS is told apart from what only sounds like it', () => {
  const rows: readonly (readonly [told: string, expected: ReturnType<typeof tlsRefusal>])[] = [
    ['unable to verify the first certificate', 'untrusted'],
    ['unable to get local issuer certificate', 'untrusted'],
    ['self-signed certificate in certificate chain', 'untrusted'],
    ['unable to get a connection from the pool', undefined],
    ['ssl/tls alert certificate expired', 'certificate-wanted'],
    ['ssl/tls alert certificate revoked', 'certificate-wanted'],
    ['ssl/tls alert unsupported certificate', 'certificate-wanted'],
    ['tlsv13 alert certificate required', 'certificate-wanted'],
    ['certificate has expired', 'expired'],
  ];
  for (const [told, expected] of rows) assert.equal(tlsRefusal(told), expected, told);
});

test('a login that a lost connection ended is no wrong password', () => {
  const said = (why: string) => refusalOf(undefined, `SASL SCRAM SHA512 authentication failed: ${why}`);
  assert.equal(said('Closed connection'), undefined);
  assert.equal(said('Connection error: read ECONNRESET'), undefined);
  assert.equal(said('Request SaslAuthenticate(key: 36, version: 1) timed out'), undefined);
  assert.equal(said('Authentication failed during authentication due to invalid credentials'), 'credentials');
});

test('a PostgreSQL that stops in a handshake is waited for, and nobody is told to turn TLS off', () => {
  const stopped = 'Client network socket disconnected before secure TLS connection was established';
  assert.deepEqual(postgresReason(new Error(stopped)), { text: stopped, isHopeless: false });
  const rejected = 'pg_hba.conf rejects connection for host "::1", user "u", database "d", no encryption';
  assert.match(postgresReason(new Error(rejected)).text, /it may want TLS: say sslmode=verify-full$/);
});

test('what stands beside whole certificates makes none of them cut off', async (t) => {
  const { ca, issue } = await certificateAuthority(t);
  const { key } = issue('one');
  assert.equal(pemProblem({ ca: `# -----BEGIN of our chain\n${ca}${key}` }), undefined);
  assert.match(pemProblem({ ca: `${ca}${ca.slice(0, 100)}` }) ?? '', /cut off/);
});
