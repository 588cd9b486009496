import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { EventKind } from '../../gen/penstock/v1/event_service_pb.ts';
import { labelTexts, type Position } from '../../src/control-plane/store/integrations.ts';
import { listScopedJobs } from '../../src/control-plane/store/listed-jobs.ts';
import { insertEvents } from '../../src/control-plane/store/reports.ts';
import { listScopedEvents } from '../../src/control-plane/store/scoped-events.ts';
import { eventOf } from '../helpers/event-parts.ts';
import { insert, storeForTests } from '../helpers/listed-store.ts';

const SCOPE = { namePrefix: 'a%', labels: labelTexts({ team: 'x' }) };

test('pages of events have each event of a scope once, in its order, and look at no more than they may', async (t) => {
  const store = await storeForTests(t);
  const { db } = store;
  const ids = await insert(store, [
    { name: 'a% 1', labels: { team: 'x', site: '' } },
    { name: 'a% 2', labels: { team: 'x' } },
    { name: 'ab', labels: { team: 'x' } },
    { name: 'a% 3', labels: { team: 'y' } },
  ]);
  const places = [...ids, randomUUID()]; // and one that is deleted
  const kinds = [EventKind.LIFECYCLE, EventKind.ERROR, EventKind.STATISTICS];
  const events = Array.from({ length: 120 }, (_, n) =>
    // In runs, so that some pages find nothing, and some times are the same.
    eventOf(Math.floor(n / 2) * 1000, {
      integrationId: places[Math.floor(n / 7) % places.length]!,
      kind: kinds[n % kinds.length]!,
    }),
  );
  await db.transaction((queries) => insertEvents(queries, events));
  const ofScope = events.filter(({ integrationId }) => ids.slice(0, 2).includes(integrationId));
  assert.ok(ofScope.length > 40);

  for (const isOldestFirst of [false, true]) {
    const direction = isOldestFirst ? 1 : -1;
    const expected = ofScope
      .toSorted((a, b) => direction * (a.time.getTime() - b.time.getTime() || (a.id < b.id ? -1 : 1)))
      .map(({ id }) => id);
    for (const [limit, most] of [
      [1000, 5000],
      [1, 5000],
      [5, 6],
      [3, 10],
      [10, 10],
      [10, 3],
    ] as const) {
      const found: string[] = [];
      let pages = 0;
      for (let after: Position | undefined; ; ) {
        const page = await listScopedEvents(db, {}, SCOPE, { after, limit, isOldestFirst }, most);
        assert.ok(page.events.length <= Math.min(limit, most));
        found.push(...page.events.map(({ id }) => id));
        pages++;
        if (!page.next) break;
        after = page.next;
      }
      assert.deepEqual(found, expected, `${limit} of ${most}`);
      assert.ok(pages >= Math.max(Math.ceil(expected.length / limit), Math.floor(events.length / most)));
    }
  }

  const errors = await listScopedEvents(db, { kinds: [EventKind.ERROR] }, SCOPE, { limit: 1000 });
  const wanted = ofScope.filter(({ kind }) => kind === EventKind.ERROR).map(({ id }) => id);
  assert.deepEqual(errors.events.map(({ id }) => id).toSorted(), wanted.toSorted());
  assert.equal(errors.next, undefined);
});

test('pages of replays have those whose source and target are in the scope, each once', async (t) => {
  const store = await storeForTests(t);
  const { db } = store;
  const [a, b, outside] = await insert(store, [
    { name: 'a% 1', labels: { team: 'x' } },
    { name: 'a% 2', labels: { team: 'x' } },
    { name: 'b', labels: { team: 'x' } },
  ]);
  const ways = [
    [a, b],
    [a, outside],
    [outside, b],
    [b, b],
    [outside, outside],
    [a, randomUUID()],
  ] as const;
  const made = Array.from({ length: 60 }, (_, n) => ({ id: randomUUID(), way: ways[n % ways.length]! }));
  for (const [n, { id, way }] of made.entries()) {
    await db.query(
      `insert into jobs values ($1, $2, $3, '', 2, '', 0, 0, now() - $4 * interval '1 second', now(), 'replay')`,
      [id, ...way, n],
    );
  }
  const idsOf = (of: typeof made) => of.map(({ id }) => id);
  const ofScope = made.filter(({ way }) => way === ways[0] || way === ways[3]);
  for (const [integrationId, expected] of [
    [undefined, ofScope],
    [a, ofScope.filter(({ way }) => way === ways[0])],
    [b, ofScope],
  ] as const) {
    for (const [limit, most] of [
      [1000, 5000],
      [3, 5000],
      [4, 4],
      [5, 1],
    ] as const) {
      const found: string[] = [];
      for (let after: Position | undefined; ; ) {
        const page = { kind: 'replay' as const, integrationId, after, limit, isOldestFirst: false };
        const { rows: replays, next } = await listScopedJobs(db, SCOPE, page, most);
        assert.ok(replays.length <= Math.min(limit, most));
        found.push(...replays.map(({ id }) => id));
        if (!next) break;
        after = next;
      }
      assert.deepEqual(found, idsOf(expected), `${limit} of ${most}`);
    }
  }
});
