import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { startSecretWatch } from '../../src/control-plane/integrations/secret-watch.ts';
import { insertIntegration } from '../../src/control-plane/store/integrations.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { Warnings } from '../../src/runtime/warnings.ts';
import { HTTP, HTTP_WITH_SECRET } from '../helpers/control-plane.ts';
import { migrated } from '../helpers/event-parts.ts';
import { keyRing } from '../helpers/secret-keys.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('a secret in clear text is found at once behind as many as are looked at a time, and logged once', async (t) => {
  const { db } = await migrated(t);
  const now = timestampFromDate(new Date());
  const times = { createTime: now, updateTime: now, generation: 1n };
  const more = {
    type: 'http',
    enabledChangeTime: new Date(),
    topicState: 'kept',
    topicIncarnation: 1,
  } as const;
  const put = (id: string, init: typeof HTTP) => {
    const integration = create(IntegrationSchema, { ...init, ...times, id });
    return insertIntegration(db, { integration, sealed: [], ...more }, undefined, new Date(0));
  };
  for (let i = 0; i < 500; i++) await put(`00000000-0000-4000-8000-${String(i).padStart(12, '0')}`, HTTP);
  await put('ffffffff-0000-4000-8000-000000000000', HTTP_WITH_SECRET);
  await db.query('update integrations set secret_keys = null, sealed = null'); // as older versions stored them
  const deps = testDeps();
  const lines: string[] = [];
  const logger = createLogger('warn', deps.clock, (line) => void lines.push(line));
  const warnings = new Warnings();
  let looks = 0;
  const secretKeys = () => {
    looks++;
    return keyRing('k');
  };
  await using watch = startSecretWatch({ ...deps, logger, db, warnings, secretKeys });
  await waitUntil('it is warned of', () => warnings.all().length > 0);
  assert.equal(looks, 2, 'without a pause');
  assert.match(warnings.all().join(), /^1 integrations have secrets in clear text.*rotate-keys/);
  await waitUntil('it is logged', () => lines.length > 0);
  watch.wake();
  await waitUntil('it has looked again', () => looks > 2 && watch.trouble() === undefined);
  watch.wake();
  await waitUntil('and again', () => looks > 3);
  assert.equal(lines.filter((line) => line.includes('clear text')).length, 1);
});
