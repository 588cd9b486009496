import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PostgresUrl } from '../../src/control-plane/store/postgres-url.ts';
import { UserError } from '../../src/runtime/user-error.ts';
import { testDeps } from '../helpers/test-deps.ts';

const BASE = 'postgres://me:p%3Fss@db:5433/penstock';
const configOf = (url: string) => new PostgresUrl(url, testDeps()).config();

test('what a URL says of TLS is kept from pg, everything else goes to it as it is', () => {
  const rows: readonly (readonly [given: string, passed: string, ssl: 'off' | 'on' | undefined])[] = [
    [BASE, BASE, undefined],
    [`${BASE}?application_name=a%20b`, `${BASE}?application_name=a%20b`, undefined],
    [`${BASE}?sslmode=disable`, BASE, 'off'],
    [`${BASE}?a=1&sslmode=verify-full&b=%2F`, `${BASE}?a=1&b=%2F`, 'on'],
    [`${BASE}?sslmode=require&sslnegotiation=direct`, BASE, 'on'],
    [`${BASE}?ssl=true`, BASE, 'on'],
    [`${BASE}?ssl=0`, BASE, 'off'],
    ['/var/run/postgresql penstock', '/var/run/postgresql penstock', 'off'],
    ['postgres:///penstock?host=/run&sslmode=verify-full', 'postgres:///penstock?host=/run', 'off'],
    ['postgres://%2Frun/penstock?sslmode=require', 'postgres://%2Frun/penstock', 'off'],
    ['postgres://u:p@%2Fx@db.example/d?sslmode=verify-full', 'postgres://u:p@%2Fx@db.example/d', 'on'],
    ['postgres://%2Fu:p@db.example/d?sslmode=verify-full', 'postgres://%2Fu:p@db.example/d', 'on'],
    ['postgres://u@db/d?host=/tmp&host=db&sslmode=require', 'postgres://u@db/d?host=/tmp&host=db', 'on'],
    ['postgres://me@db.example.:5433/x?sslmode=require', 'postgres://me@db.example:5433/x', 'on'],
  ];
  for (const [given, passed, expected] of rows) {
    const { connectionString, ssl } = configOf(given);
    assert.equal(connectionString, passed, given);
    assert.equal(ssl === undefined ? undefined : ssl ? 'on' : 'off', expected, given);
  }
  assert.equal(configOf(`${BASE}?sslmode=require&sslnegotiation=direct`).sslnegotiation, 'direct');
  const isVerifying = (url: string) =>
    (configOf(url).ssl as { rejectUnauthorized: boolean }).rejectUnauthorized;
  assert.equal(isVerifying(`${BASE}?ssl=1`), true);
  assert.equal(isVerifying(`${BASE}?sslmode=verify-full&sslrootcert=system`), true);
});

test('what cannot be done, or protects nobody, is refused with what to say instead', () => {
  const rows: readonly (readonly [parameters: string, expected: RegExp])[] = [
    ['sslmode=prefer', /sslmode=prefer is not taken: say verify-full, verify-ca, require or disable$/],
    ['sslmode=no-verify', /sslmode=no-verify is not taken/],
    ['ssl=yes', /ssl=yes is not taken: say sslmode=verify-full/],
    ['sslrootcert=/ca', /sslmode is missing: say sslmode=verify-full$/],
    ['sslmode=verify-ca', /needs a file of authorities in sslrootcert/],
    ['sslmode=require&sslrootcert=system', /needs a file of authorities in sslrootcert/],
    ['sslMode=verify-full', /sslMode is not taken/],
    ['ssl-mode=VERIFY_IDENTITY', /ssl-mode is not taken/],
    ['requiressl=1', /requiressl is not taken/],
    ['application_name=x&amp;sslmode=verify-full', /amp;sslmode is not taken/],
    ['sslmode=require&channel_binding=require', /channel_binding is not taken: say sslmode=verify-full/],
    ['sslnegotiation=direct', /sslnegotiation=direct needs TLS/],
    ['sslmode=require&sslnegotiation=soon', /sslnegotiation=soon is not taken: say postgres or direct$/],
    ['sslmode=verify-full&sslcert=/c', /sslcert and sslkey go together/],
    ['sslmode=verify-full&sslrootcert=/none', /^sslrootcert of PENSTOCK_POSTGRES_URL cannot be read: ENOENT/],
  ];
  for (const [parameters, expected] of rows) {
    assert.throws(
      () => configOf(`${BASE}?${parameters}`),
      (error: Error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, expected);
        assert.match(error.message, /PENSTOCK_POSTGRES_URL/);
        assert.doesNotMatch(error.message, /p%3Fss|p\?ss/);
        return true;
      },
      parameters,
    );
  }
});

test('what is reached in clear text, or is not checked, is warned of unless it is on this machine', () => {
  const warningOf = (url: string) => new PostgresUrl(url, testDeps()).warning;
  assert.match(warningOf(BASE)!, /^PostgreSQL at db is reached in clear text: say sslmode=verify-full/);
  assert.match(warningOf(`${BASE}?sslmode=disable`)!, /in clear text/);
  assert.match(warningOf(`${BASE}?sslmode=require`)!, /is not checked to be itself/);
  for (const safe of [
    `${BASE}?sslmode=verify-full`,
    'postgres://u@localhost/d',
    'postgres://u@127.0.0.1/d',
  ]) {
    assert.equal(warningOf(safe), undefined, safe);
  }
  assert.equal(warningOf('postgres://u@[::1]/d'), undefined);
  assert.equal(warningOf('postgres:///d?host=/run'), undefined);
});
