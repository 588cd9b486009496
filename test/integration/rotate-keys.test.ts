import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { resealSecrets, sealSecrets } from '../../src/contract/sealed-secrets.ts';
import { rotateKeys } from '../../src/control-plane/commands/rotate-keys.ts';
import type { Database } from '../../src/control-plane/store/database.ts';
import {
  findIntegration,
  insertIntegration,
  replaceSecrets,
} from '../../src/control-plane/store/integrations.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { UserError } from '../../src/runtime/user-error.ts';
import { controlPlaneForTests, executorForTests, HTTP_WITH_SECRET } from '../helpers/control-plane.ts';
import { databaseAt, migrated } from '../helpers/event-parts.ts';
import { keyRing, secretKeysText } from '../helpers/secret-keys.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** An integration with a secret that is sealed with this key. */
async function put(db: Database, id: string, key: string): Promise<void> {
  const now = timestampFromDate(new Date());
  const times = { createTime: now, updateTime: now, generation: 1n };
  const integration = create(IntegrationSchema, { ...HTTP_WITH_SECRET, ...times, id });
  const more = {
    type: 'http',
    enabledChangeTime: new Date(),
    topicState: 'kept',
    topicIncarnation: 1,
  } as const;
  await insertIntegration(db, { ...sealSecrets(integration, keyRing(key)), ...more }, undefined, new Date(0));
}

/** A database, and the command on it, with the keys `new` and `old`; `meanwhile` is done while it waits for Kafka. */
async function setUp(t: TestContext) {
  const { url, db } = await migrated(t);
  const keys = { PENSTOCK_POSTGRES_URL: url, PENSTOCK_SECRET_KEYS: secretKeysText('new', 'old') };
  const deps = testDeps();
  const rotate = async (meanwhile: () => Promise<void> = async () => {}) => {
    const lines: string[] = [];
    const sleep = async () => {
      await meanwhile();
      await db.query('delete from outbox');
    };
    const clock = { ...deps.clock, monotonic: () => deps.clock.monotonic(), sleep };
    const isDone = await rotateKeys(readSettings({}, keys), {
      ...deps,
      clock,
      say: (line) => void lines.push(line),
    });
    return { isDone, text: lines.join('\n') };
  };
  return { db, rotate };
}

test('what is saved with another key meanwhile is told beside more than a page of those that are lost', async (t) => {
  const { db, rotate } = await setUp(t);
  for (let i = 0; i < 100; i++)
    await put(db, `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`, 'gone');
  await put(db, randomUUID(), 'old');
  const first = await rotate(() => put(db, 'ffffffff-0000-4000-8000-000000000000', 'old'));
  assert.equal(first.isDone, false);
  assert.match(first.text, /the secrets of 1 integrations/);
  assert.match(first.text, /1 integrations were saved with another key meanwhile/);
  const second = await rotate();
  assert.equal(second.isDone, false);
  assert.match(second.text, /Kafka has all of it\n100 integrations have secrets that .* keep the old keys$/);
  assert.doesNotMatch(first.text + second.text, /no more/);
});

test('the command says which of the two is too old, it or the database', async (t) => {
  const { db, rotate } = await setUp(t);
  const saying = (text: RegExp) => (error: unknown) => error instanceof UserError && text.test(error.message);
  await db.query('insert into schema_migrations select max(version) + 1 from schema_migrations');
  await assert.rejects(rotate(), saying(/of a newer version: .* of the version of the control planes/));
  await db.query('delete from schema_migrations where version > 1');
  await assert.rejects(rotate(), saying(/of an older version: start a control plane of this version first/));
});

test('an update that began before a rotation does not bring the old key back', async (t) => {
  const rings = { now: keyRing('old') };
  const system = await controlPlaneForTests(t, {}, undefined, () => rings.now);
  const { client, postgresUrl } = system;
  const executor = await executorForTests(t, system);
  const { id } = (await client.createIntegration({ integration: HTTP_WITH_SECRET })).integration!;
  const count = executor.asked.length;
  executor.answer = () => undefined;
  const updating = client.updateIntegration({
    integration: { id, description: 'changed' },
    updateMask: { paths: ['description'] },
  });
  await waitUntil('it is merged, and an executor asked', () => executor.asked.length > count);
  rings.now = keyRing('new', 'old');
  const db = databaseAt(t, postgresUrl);
  await db.transaction(async (queries) => {
    const stored = (await findIntegration(queries, id, true))!;
    await replaceSecrets(queries, { ...stored, ...resealSecrets(stored, rings.now) });
  });
  executor.answer = () => ({ reachable: true });
  await updating;
  const { integration, sealed } = (await findIntegration(db, id))!;
  assert.deepEqual([integration.description, sealed.map(({ keyId }) => keyId)], ['changed', ['new']]);
});
