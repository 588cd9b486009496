import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topicsOf } from '../../src/bus/topics.ts';
import type { Database } from '../../src/control-plane/store/database.ts';
import { deleteWithdrawn } from '../../src/control-plane/topics/topic-cleanup.ts';
import { testDeps } from '../helpers/test-deps.ts';

const never = new AbortController().signal;

/** A store with so many topics that are due; each is asked for in vain, as another node is at it. */
function world(due: number, tryLock: (name: string) => void = () => {}) {
  const asked: string[] = [];
  const ids = Array.from({ length: due }, (_, i) => ({ id: String(i) }));
  const db = { query: async (_: string, [limit]: readonly number[]) => ids.slice(0, limit) };
  const no = () => assert.fail();
  const deps = {
    ...testDeps(),
    db: db as unknown as Database,
    bus: { createTopics: no, deleteTopics: no, offsets: no, committed: no },
    topics: topicsOf('p'),
    locks: {
      async tryLock(name: string) {
        asked.push(name);
        tryLock(name);
        return undefined;
      },
    },
    serviceId: 'cp',
    topicDeletionDelay: 0,
    cleanupPeriod: 1000,
    cleanupTtl: 1000,
    wakeRelay() {},
  };
  return { asked, sweep: () => deleteWithdrawn(deps, never) };
}

test('a topic that cannot be deleted holds up none of the others, and is told', async () => {
  const { asked, sweep } = world(3, (name) => {
    if (!name.endsWith('2')) throw new Error(`cannot lock the ${name}`);
  });
  await assert.rejects(sweep(), /cannot lock the message topic of 0/);
  assert.equal(asked.length, 3);
});

test('a sweep that found as many as it takes at a time is followed by another at once', async () => {
  assert.equal(await world(19).sweep(), false);
  const { asked, sweep } = world(100);
  assert.equal(await sweep(), true);
  assert.equal(asked.length, 20);
});
