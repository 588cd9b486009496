import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import type { Integration } from '../../gen/penstock/v1/integration_pb.ts';
import { isSelected } from '../../src/control-plane/integrations/integration-filter.ts';
import { OLDEST_FIRST, ORDERS, type PageStart } from '../../src/control-plane/store/integration-order.ts';
import { integrationPage } from '../../src/control-plane/store/integration-pages.ts';
import { labelTexts, listIntegrations } from '../../src/control-plane/store/integrations.ts';
import { LISTED_LABELS } from '../../src/control-plane/store/listed-labels.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { MIGRATIONS } from '../../src/control-plane/store/migrations.ts';
import { insert, type Store, storeForTests } from '../helpers/listed-store.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { testDeps } from '../helpers/test-deps.ts';

type Filter = Parameters<Store['list']>[0];

/** All pages of a list. */
async function listed({ list }: Store, filter: Filter, orderBy: string, size = 3): Promise<string[]> {
  const found: string[] = [];
  let pageToken = '';
  do {
    const page = await list(filter, size, pageToken, orderBy);
    found.push(...(page.integrations ?? []).map(({ id }) => id!));
    pageToken = page.nextPageToken ?? '';
  } while (pageToken !== '');
  return found;
}

const NAMES = ['a', 'B', 'a', 'é', '\u{1f600}', '\uffee', 'b%', 'b_', 'b\\', 'aa', 'a\0b'];

test('integrations are listed in each order, both ways, page by page, whatever the filter', async (t) => {
  const store = await storeForTests(t);
  const rows = NAMES.map((name, n) => {
    return { name, description: 'one', updated: (n * 7) % 4, labels: { all: '', odd: String(n % 2) } };
  });
  await insert(store, rows, 0);
  await insert(store, [{ name: 'c', description: 'x' }]);
  const all = (await listIntegrations(store.db, {})).map(({ integration }) => integration);
  const keys: Record<string, (one: Integration) => Buffer | number> = {
    '': ({ createTime }) => timestampMs(createTime!),
    create_time: ({ createTime }) => timestampMs(createTime!),
    update_time: ({ updateTime }) => timestampMs(updateTime!),
    name: ({ name }) => Buffer.from(name.replaceAll('\0', '')), // bytes of UTF-8 are in the order of the characters
  };
  const compare = (a: Buffer | number, b: Buffer | number) =>
    typeof a === 'number' ? a - Number(b) : a.compare(b as Buffer);
  const filters: [Filter, (one: Integration) => boolean][] = [
    [{}, () => true],
    [{ states: [2] }, () => true],
    [{ text: 'one' }, ({ description }) => description === 'one'],
    [{ labels: { odd: '1' } }, ({ labels }) => labels.odd === '1'],
    [
      { labels: { odd: '1', all: '' }, text: 'B' },
      ({ labels, name }) => labels.odd === '1' && /b/i.test(name),
    ],
    [{ labels: { odd: '2' } }, () => false],
  ];
  for (const [filter, passes] of filters) {
    for (const [by, key] of Object.entries(keys)) {
      const wanted = all
        .filter(passes)
        .toSorted((a, b) => compare(key(a), key(b)) || (a.id < b.id ? -1 : 1))
        .map(({ id }) => id);
      assert.deepEqual(await listed(store, filter, by), wanted, `${JSON.stringify(filter)} by ${by}`);
      if (by === '') continue;
      assert.deepEqual(
        await listed(store, filter, `${by} desc`),
        wanted.toReversed(),
        `${JSON.stringify(filter)} by ${by} desc`,
      );
    }
  }
});

test('a page token is refused by a list with another filter or order', async (t) => {
  const store = await storeForTests(t);
  await insert(store, [{ name: 'a' }, { name: 'b' }]);
  const { nextPageToken = '' } = await store.list({ text: '' }, 1);
  assert.equal((await store.list({}, 1, nextPageToken, 'create_time')).integrations?.length, 1);
  for (const [filter, orderBy] of [
    [{ text: 'a' }, ''],
    [{ labels: { a: '' } }, ''],
    [{}, 'create_time desc'],
    [{}, 'name'],
  ] as const) {
    const refused = await rpcRejection(() => store.list(filter, 1, nextPageToken, orderBy));
    assert.deepEqual(refused.fields, ['page_token']);
    assert.match(refused.message, /leave it empty for the first page/);
  }
  assert.deepEqual((await rpcRejection(() => store.list({}, 1, '', 'size'))).fields, ['order_by']);
});

test('what is selected by labels and the beginning of a name is what a check of each one says', async (t) => {
  const store = await storeForTests(t);
  const { db } = store;
  const text = fc
    .array(fc.constantFrom('a', 'B', '%', '_', '\\', '=', '\0', ','), { maxLength: 3 })
    .map((s) => s.join(''));
  const labels = fc.dictionary(
    fc.constantFrom('a', 'b'),
    fc.constantFrom('', 'x', 'X', '=', '"', '{,}', 'a\\'),
  );
  const rows = fc.sample(fc.record({ name: text, labels }), { numRuns: 150, seed: 7 });
  await insert(store, [...rows, ...NAMES.map((name) => ({ name }))]);
  const all = (await listIntegrations(db, {})).map(({ integration }) => integration);
  await fc.assert(
    fc.asyncProperty(text, labels, async (namePrefix, wanted) => {
      const selection = { namePrefix, labels: labelTexts(wanted) };
      const ids = all.filter((one) => isSelected(one, { namePrefix, labels: wanted })).map(({ id }) => id);
      const found = await listIntegrations(db, selection);
      assert.deepEqual(
        found.map(({ integration }) => integration.id),
        ids,
      );
      const page = await integrationPage(db, { selection, order: OLDEST_FIRST, size: 1000, from: undefined });
      assert.deepEqual(
        page.stored.map(({ integration }) => integration.id),
        ids,
      );
      assert.equal(page.total, ids.length);
    }),
    { numRuns: 100 },
  );
});

test('where more have a label than a page looks at, pages of each order go on until all are listed', async (t) => {
  const store = await storeForTests(t);
  const { db } = store;
  const rows = Array.from({ length: 12_000 }, (_, n) => {
    const name = `${n % 10 === 7 ? 'seven' : 'other'} ${n}`;
    return { name, updated: (n % 3) * 20_000, labels: { all: '', ...(n % 10 > 5 && { some: '' }) } };
  });
  await insert(store, rows, 0); // all at the same time: only ids tell them apart
  await db.query('analyze');
  const all = (await listIntegrations(db, {})).map(({ integration }) => integration);
  const labels = { all: '' };
  for (const wanted of [
    { labels: { all: '', some: '' } },
    { labels },
    { labels, namePrefix: 'seven' },
    { namePrefix: 'other' },
    { labels, text: 'seven' }, // so few that a page ends before it is full
  ]) {
    const { namePrefix = '', text = '' } = wanted;
    const selection = { namePrefix, text, labels: labelTexts(wanted.labels ?? {}) };
    const ids = all.filter((one) => isSelected(one, wanted) && one.name.includes(text)).map(({ id }) => id);
    for (const by of ORDERS) {
      for (const isDescending of [false, true]) {
        const found: string[] = [];
        for (let from: PageStart | undefined; ; ) {
          const page = await integrationPage(db, {
            selection,
            order: { by, isDescending },
            size: 3500,
            from,
          });
          found.push(...page.stored.map(({ integration }) => integration.id));
          assert.ok(found.length <= ids.length, 'none twice');
          from = page.next;
          if (!from) assert.equal(page.total, ids.length);
          if (!from) break;
        }
        assert.deepEqual(new Set(found), new Set(ids), `${JSON.stringify(wanted)} by ${by} ${isDescending}`);
      }
    }
  }
});

test('what was stored before there were labels is listed by its name and its last change, too', async (t) => {
  const url = await databaseForTests(t);
  await using client = await connectedClient(url);
  const before = MIGRATIONS.indexOf(LISTED_LABELS);
  for (const sql of MIGRATIONS.slice(0, before)) await client.query(sql);
  await client.query('create table schema_migrations (version int primary key)');
  await client.query('insert into schema_migrations select generate_series(1, $1::int)', [before]);
  const old =
    '(id, name, description, type, enabled, enabled_change_time, generation, config, create_time, update_time)';
  const made = `insert into integrations ${old} select gen_random_uuid(), $1, '', 'http', true, now(), 1, '', now(), $2`;
  await client.query(made, ['old', new Date(7)]);
  await migrate(url, 10_000, testDeps());
  await client.query(made, ['of an old node', new Date(8)]);
  const { rows } = await client.query(
    'select name, update_time, labels from listed_integrations order by name',
  );
  assert.deepEqual(rows, [
    { name: 'of an old node', update_time: new Date(8), labels: [] },
    { name: 'old', update_time: new Date(7), labels: [] },
  ]);
});
