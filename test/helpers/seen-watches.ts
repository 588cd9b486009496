import type { TestContext } from 'node:test';
import { Database, type Queries } from '../../src/control-plane/store/database.ts';
import { Watches } from '../../src/control-plane/watches/watches.ts';
import { controlPlaneForTests, executorForTests } from './control-plane.ts';
import { nodeForTests } from './nodes.ts';
import { testDeps } from './test-deps.ts';

/**
 * A control plane, and watches on its PostgreSQL whose queries are seen before they are made.
 * @param onQuery what it answers is disposed when the query is done
 */
export async function seenWatches(t: TestContext, onQuery: (sql: string) => Disposable | undefined) {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  nodeForTests(t, system);
  const stored = new Database(system.postgresUrl, testDeps());
  t.after(() => stored[Symbol.asyncDispose]());
  const db: Queries = {
    async query(sql, values) {
      using _ = onQuery(sql);
      return await stored.query(sql, values);
    },
  };
  return { ...system, watches: new Watches({ db, clock: system.clock }) };
}
