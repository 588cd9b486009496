import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { AccessRecordSchema, Role, ScopeSchema } from '../../gen/penstock/v1/access_pb.ts';
import { TokenSchema } from '../../gen/penstock/v1/token_service_pb.ts';
import { MAX_RECORD_BYTES } from '../../src/bus/topics.ts';
import { newToken } from '../../src/control-plane/access/new-token.ts';
import { startTokenCleanup } from '../../src/control-plane/cleanup.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { listTokens, loadAccess } from '../../src/control-plane/store/tokens.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const INSERT = `insert into tokens (id, name, note, role, scope, hash, expire_time, create_time, created_by)
  select gen_random_uuid(), $1::text, '', 1, $2::bytea, sha256(convert_to($1::text || i, 'UTF8')), now() + $3::interval, now(), ''
  from generate_series(1, $4::int) as i`;

test('the API tokens in PostgreSQL', { timeout: 120_000 }, async (t) => {
  const url = await databaseForTests(t);
  const deps = testDeps();
  await migrate(url, 60_000, deps);
  await using db = new Database(url, deps);
  const make = (scope?: string) => {
    const draft = create(TokenSchema, { name: 'one more', role: Role.VIEWER });
    if (scope) draft.scope = create(ScopeSchema, { namePrefix: scope });
    return newToken(db, draft, 'ada', Date.now(), async () => {});
  };

  await t.test('no more are made than fit into one record on Kafka', async () => {
    // Names of 100 letters of four bytes, and scopes that are as large as the rules allow.
    const name = '𝒜'.repeat(100);
    const labels = Object.fromEntries(
      Array.from({ length: 16 }, (_, i) => [`${i}`.padStart(63, '0'), '𝒜'.repeat(255)]),
    );
    const scope = create(ScopeSchema, { namePrefix: '𝒜'.repeat(255), labels });
    const bytes = Buffer.from(toBinary(ScopeSchema, scope));
    const most = Math.floor((16 << 20) / (bytes.length + 500));
    await db.query(INSERT, [name, bytes, '1 day', most]);
    const { token } = await make();
    await assert.rejects(make('𝒜'.repeat(255).padEnd(20_000, 'x')), /revoke those that nobody uses/);
    const record = toBinary(AccessRecordSchema, await loadAccess(db));
    assert.ok(record.length > 0.99 * (16 << 20) && record.length < MAX_RECORD_BYTES, `${record.length}`);
    // Those that have ended are on no record.
    await db.query('delete from tokens where id = $1', [token!.id]);
    await db.query(`update tokens set expire_time = now()`);
    await make('𝒜'.repeat(255).padEnd(20_000, 'x'));
    await db.query('delete from tokens');
  });

  await t.test('those that ended 90 days ago are deleted', async () => {
    for (const [name, ago] of Object.entries({ old: '-91 days', ended: '-89 days', open: '1 day' })) {
      await db.query(INSERT, [name, null, ago, 1]);
    }
    await make();
    await using _cleanup = startTokenCleanup({ ...deps, db });
    const names = async () =>
      (await listTokens(db, { before: undefined, limit: 10 })).map(({ name }) => name);
    await waitUntil('one is deleted', async () => (await names()).length < 4);
    assert.deepEqual((await names()).sort(), ['ended', 'one more', 'open']);
  });
});
