import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import { accessConfig, authenticator, type Ways } from '../../src/access/access.ts';
import { Sessions } from '../../src/control-plane/access/sessions.ts';
import type { Database } from '../../src/control-plane/store/database.ts';
import type { Presented } from '../../src/rpc/caller.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';

const { logger } = testDeps();
const FIRST = 'a-first-token-of-32-characters-or-more';
const SECOND = 'a-second-token-of-32-characters-or-more';
const address = '192.0.2.1';

const shows = (what: Partial<Presented>): Presented => ({
  authorization: undefined,
  session: undefined,
  address,
  certificate: () => undefined,
  ...what,
});
const bearing = (token: string) => shows({ authorization: `Bearer ${token}` });

test('another bootstrap token in the file takes the place of the one that leaked, also of its sessions', async (t) => {
  const path = join(await temporaryDirectory(t), 'token');
  writeFileSync(path, `${FIRST}\n`);
  const config = accessConfig(readSettings({}, { PENSTOCK_BOOTSTRAP_TOKEN_FILE: path }), logger);
  const authenticate = authenticator(config, config);
  assert.equal((await authenticate(bearing(FIRST)))?.name, 'bootstrap');

  // What PostgreSQL has of the session.
  let proof: unknown;
  const row = {
    name: 'bootstrap',
    kind: CallerKind.TOKEN,
    role: Role.ADMIN,
    left_ms: 60_000,
    use_due: false,
  };
  const query = async (sql: string, values: readonly unknown[]) => {
    if (!sql.includes('insert')) return [{ ...row, bootstrap_proof: proof }];
    proof = values[7];
    return [{ expire_time: new Date() }];
  };
  const db = { query } as unknown as Database;
  const deps = { db, clock: new ManualClock(), logger, ...config };
  const sessions = new Sessions(deps, { idle: 60_000, lifetime: 60_000 });
  const { session } = await sessions.startByBootstrap(row, db);
  assert.equal((await sessions.callerOf(session, address))?.name, 'bootstrap');

  writeFileSync(path, SECOND);
  assert.equal(await authenticate(bearing(FIRST)), undefined);
  assert.equal((await authenticate(bearing(SECOND)))?.name, 'bootstrap');
  sessions.forget();
  assert.equal(await sessions.callerOf(session, address), undefined);

  writeFileSync(path, 'too short');
  assert.equal(
    (await authenticate(bearing(SECOND)))?.name,
    'bootstrap',
    'what cannot be used changes nothing',
  );
});

test('a cookie says nothing to a node without sessions, and a certificate holds', async () => {
  const service = { name: 'service', kind: CallerKind.CERTIFICATE, role: Role.OPERATOR, address };
  const ways: Ways = { certificates: { callerOf: () => service } };
  const presented = shows({ session: 'a'.repeat(43), certificate: () => ({}) as never });
  const config = { isLoginRequired: true, bootstrapHash: undefined };
  assert.equal(await authenticator(config, ways)(presented), service);
  const sessions = async () => undefined;
  assert.equal(await authenticator(config, { ...ways, sessions })(presented), undefined);
});
