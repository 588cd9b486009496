import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Bus } from '../../src/bus/bus.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { planTopicDeletion } from '../../src/control-plane/store/topic-deletions.ts';
import { busForTests } from '../helpers/bus.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { onEnd } from '../helpers/on-end.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const HANGING = ['offsets', 'deleteTopics', 'listTopics'] as const;

/** A bus whose calls never end, once it hangs. */
function hangingBus(bus: Bus) {
  const called = new Set<string>();
  let isHanging = false;
  const hang = (name: (typeof HANGING)[number]) => async (argument: never) => {
    if (!isHanging) return bus[name](argument);
    called.add(name);
    return new Promise<never>(() => {});
  };
  const hanging = { ...bus, ...Object.fromEntries(HANGING.map((name) => [name, hang(name)])) } as Bus;
  return {
    bus: hanging,
    called,
    hang() {
      isHanging = true;
    },
  };
}

test('a control plane stops soon although Kafka hangs', { timeout: 60_000 }, async (t) => {
  const kafka = await busForTests(t);
  const hanging = hangingBus(kafka.bus);
  const system = await controlPlaneForTests(t, { orphanDelay: 500 }, { ...kafka, bus: hanging.bus });
  await executorForTests(t, kafka);
  const db = new Database(system.postgresUrl, system);
  onEnd(t, () => db[Symbol.asyncDispose]());
  await system.client.createIntegration({ integration: HTTP });
  hanging.hang();
  await db.query("update integrations set topic_state = 'withdrawn', topic_due_time = now()");
  await planTopicDeletion(db, randomUUID(), 0);
  await waitUntil('everything hangs', () => hanging.called.size === HANGING.length);
  await system.stop();
  const names = ['penstock-relay', 'penstock-locks'];
  await waitUntil('no lock is held any more', async () => {
    const sql =
      'select from pg_stat_activity where datname = current_database() and application_name = any($1)';
    return (await db.query(sql, [names])).length === 0;
  });
});
