import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { Database } from '../../src/control-plane/store/database.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { type EventPlace, eventsSince, settledVersion } from '../../src/control-plane/store/versions.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { testDeps } from '../helpers/test-deps.ts';

const WRITERS = 8;
const TRANSACTIONS = 25;
const PAGE = 7;

const insertEvent = async (client: Pick<Client, 'query'>, id: string) => {
  const integration = randomUUID();
  const record = encodedReport(report(integration));
  await client.query(
    'insert into events (id, integration_id, kind, time, record) values ($1, $2, 1, $3, $4)',
    [id, integration, new Date(), record],
  );
};

/** Reads events as one who watches does. */
async function reader(db: Database) {
  let place: EventPlace = { version: await settledVersion(db), event: undefined };
  const seen: string[] = [];
  const read = async () => {
    const version = await settledVersion(db);
    for (let isMore = true; isMore; ) {
      const { events, next } = await eventsSince(db, {}, place, version, PAGE);
      seen.push(...events.map(({ id }) => id));
      place = next;
      isMore = events.length === PAGE;
    }
  };
  return { seen, read };
}

test('what is read since a place', { timeout: 120_000 }, async (t) => {
  const url = await databaseForTests(t);
  await migrate(url, 10_000, testDeps());
  await using db = new Database(url, testDeps());

  await t.test(
    'each event is read once, whatever the order in which transactions begin, write and end',
    async () => {
      const { seen, read } = await reader(db);
      const committed: string[] = [];
      const pause = () => sleep(Math.random() * 15);
      const writer = async () => {
        await using client = await connectedClient(url);
        for (let n = 0; n < TRANSACTIONS; n++) {
          const ids = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, () => randomUUID());
          await client.query('begin');
          // Another table first: the transaction has its number before it has a version.
          if (n % 2 === 0) await client.query('insert into topic_deletions values ($1, null)', [ids[0]]);
          await pause();
          for (const id of ids) await insertEvent(client, id);
          await pause();
          const isKept = n % 5 !== 0;
          await client.query(isKept ? 'commit' : 'rollback');
          if (isKept) committed.push(...ids);
        }
      };
      let isOver = false;
      const writing = Promise.all(Array.from({ length: WRITERS }, writer)).finally(() => {
        isOver = true;
      });
      while (!isOver) {
        await read();
        await sleep(2);
      }
      await writing;
      await read();
      assert.deepEqual(seen.toSorted(), committed.toSorted());
    },
  );

  await t.test('only those who write versions are waited for', async () => {
    const { seen, read } = await reader(db);
    const other = await databaseForTests(t);
    await using elsewhere = await connectedClient(other);
    await using here = await connectedClient(url);
    for (const client of [elsewhere, here]) {
      await client.query('begin');
      await client.query('create table batch (id int)');
      await client.query('insert into batch values (1)');
    }
    const [first, second] = [randomUUID(), randomUUID()];
    await insertEvent({ query: db.query.bind(db) } as unknown as Client, first);
    await read();
    assert.deepEqual(seen, [first]);

    await using late = await connectedClient(url);
    await late.query('begin');
    await insertEvent(late, second);
    const third = randomUUID();
    await insertEvent({ query: db.query.bind(db) } as unknown as Client, third);
    await read();
    assert.deepEqual(seen, [first], 'what is behind one that has not ended waits for it');
    await late.query('commit');
    await read();
    assert.deepEqual(seen, [first, second, third]);
  });
});
