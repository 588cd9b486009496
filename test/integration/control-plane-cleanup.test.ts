import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAuditCleanup, startEventCleanup } from '../../src/control-plane/cleanup.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { DAY, migrated } from '../helpers/event-parts.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('what is done to the parts of events and of audit records is logged', async (t) => {
  const { db } = await migrated(t);
  const deps = testDeps();
  const lines: string[] = [];
  const logger = createLogger('info', deps.clock, (line) => void lines.push(line));
  const more = { ...deps, db, logger, eventsTtl: 7 * DAY, auditTtl: 7 * DAY };
  await using events = startEventCleanup(more);
  await using audit = startAuditCleanup(more);
  const tells = (text: string) => () => lines.some((line) => line.includes(text));
  await waitUntil('events have parts', tells('made parts of the events'));
  await waitUntil('audit records have parts', tells('made parts of the audit records'));
  assert.deepEqual([events.trouble(), audit.trouble()], [undefined, undefined]);
});
