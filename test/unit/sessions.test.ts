import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { CallerKind, Role, ScopeSchema } from '../../gen/penstock/v1/access_pb.ts';
import { Sessions } from '../../src/control-plane/access/sessions.ts';
import type { Database } from '../../src/control-plane/store/database.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const ADA = 'a'.repeat(43);
const ROW = { name: 'ada', kind: CallerKind.USER, role: Role.VIEWER, left_ms: 60_000, use_due: false };
const madeUp = (i: number) => String(i).padStart(43, 'x');

/** Sessions over a database that answers each question with what `answer` says. */
function sessionsOver(answer: () => Promise<unknown[]>) {
  const db = { query: answer } as unknown as Database;
  const deps = { db, clock: new ManualClock(), logger: testDeps().logger };
  return new Sessions(deps, { idle: 60_000, lifetime: 60_000 });
}

test('a stranger who shows made-up sessions keeps out those of his own address alone', async () => {
  const answers: ((rows: unknown[]) => void)[] = [];
  const sessions = sessionsOver(() => new Promise((resolve) => answers.push(resolve)));
  const tries = Array.from({ length: 150 }, (_, i) => sessions.callerOf(madeUp(i), '2001:db8::1'));
  const ended = Promise.allSettled(tries);
  await assert.rejects(sessions.callerOf(ADA, '2001:db8::2'), /too many sessions/);
  const ada = sessions.callerOf(ADA, '192.0.2.1');
  assert.equal(answers.length, 21, 'twenty of his, and hers');
  for (const answer of answers.slice(0, 20)) answer([]);
  answers[20]!([ROW]);
  assert.equal((await ada)?.name, 'ada');
  assert.equal((await ended).filter(({ status }) => status === 'rejected').length, 130);
  // What has been answered leaves its place.
  const again = sessions.callerOf(madeUp(1000), '2001:db8::1');
  answers[21]!([]);
  assert.equal(await again, undefined);
});

test('made-up sessions push nobody out of those that are known', async () => {
  let asked = 0;
  let rows: unknown[] = [ROW];
  const sessions = sessionsOver(async () => {
    asked++;
    return rows;
  });
  await sessions.callerOf(ADA, '192.0.2.1');
  rows = [];
  for (let i = 0; i < 10_001; i++) await sessions.callerOf(madeUp(i), '192.0.2.2');
  const before = asked;
  assert.equal((await sessions.callerOf(ADA, '192.0.2.1'))?.name, 'ada');
  assert.equal(await sessions.callerOf(madeUp(10_000), '192.0.2.2'), undefined);
  assert.equal(asked, before, 'both are known');
  await sessions.callerOf(madeUp(0), '192.0.2.2');
  assert.equal(asked, before + 1, 'of what is nobody’s a thousand are known');
});

test('a session of who logged in at a provider holds while the settings name that provider', async () => {
  const rows: { readonly kind: CallerKind; readonly issuer: unknown }[] = [];
  const query = async (sql: string, values: readonly unknown[]) => {
    if (!sql.includes('insert')) return [{ ...ROW, ...rows.at(-1) }];
    rows.push({ kind: values[2] as CallerKind, issuer: values[8] });
    return [{ expire_time: new Date() }];
  };
  const db = { query } as unknown as Database;
  const nodeOf = (issuer?: string) =>
    new Sessions(
      { db, clock: new ManualClock(), logger: testDeps().logger, issuer },
      {
        idle: 60_000,
        lifetime: 60_000,
      },
    );
  const [own, other] = ['https://login.example.com', 'https://login.example.org'];
  const person = { name: 'ada', kind: CallerKind.OIDC, role: Role.VIEWER };
  const { session } = await nodeOf(own).start(person);
  const knownAt = async (node: Sessions) => (await node.callerOf(session, '192.0.2.1'))?.name;
  assert.equal(await knownAt(nodeOf(own)), 'ada');
  assert.equal(await knownAt(nodeOf(other)), undefined);
  assert.equal(await knownAt(nodeOf()), undefined);
  await nodeOf(own).start({ ...person, kind: CallerKind.USER });
  assert.equal(await knownAt(nodeOf()), 'ada', 'a user has nothing to do with it');
  rows.push({ kind: CallerKind.OIDC, issuer: null });
  assert.equal(await knownAt(nodeOf()), undefined, 'one from before issuers were stored');
});

test('a session whose scope only a newer version knows is nobody’s', async () => {
  const known = create(ScopeSchema, { namePrefix: 'a' });
  const later = { ...known, $unknown: [{ no: 15, wireType: 0, data: new Uint8Array([1]) }] };
  const nameWith = async (scope: typeof known) => {
    const sessions = sessionsOver(async () => [{ ...ROW, scope: toBinary(ScopeSchema, scope) }]);
    return (await sessions.callerOf(ADA, '192.0.2.1'))?.name;
  };
  assert.equal(await nameWith(known), 'ada');
  assert.equal(await nameWith(later), undefined);
});
