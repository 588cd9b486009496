import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { SealedSecretSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { RevisionChange } from '../../gen/penstock/v1/revision_service_pb.ts';
import { firstRevision, nextRevision } from '../../src/control-plane/integrations/revision.ts';
import { revisionOf } from '../../src/control-plane/integrations/revision-of.ts';

const { CREATED, UPDATED, ENABLED, DISABLED, RESTARTED, DELETED } = RevisionChange;

const draft = create(IntegrationSchema, {
  name: 'one',
  topicFilters: ['a'],
  configuration: {
    case: 'http',
    value: { credentials: { credentials: { case: 'bearer', value: { token: 'in clear' } } } },
  },
});
const off = firstRevision(draft, '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11', 1000);
const changed = (stored: typeof off, change: Partial<Integration>) =>
  nextRevision(stored, { ...stored.integration, ...change } as Integration, 2000);
const on = changed(off, { enabled: true });
const sealed = [create(SealedSecretSchema, { path: 'http.credentials.bearer.token', keyId: 'k' })];

test('a revision says what was done, and nothing more than callers may see', () => {
  const kind = (before: typeof off | undefined, after: typeof off | undefined) =>
    revisionOf({ before, after }, 'me').change;
  assert.equal(kind(undefined, off), CREATED);
  assert.equal(kind(off, on), ENABLED);
  assert.equal(kind(on, changed(on, { enabled: false })), DISABLED);
  assert.equal(kind(on, changed(on, { restarts: 1n })), RESTARTED);
  assert.equal(kind(on, changed(on, { name: 'two' })), UPDATED);
  assert.equal(kind(on, changed(on, { name: 'two', enabled: false })), UPDATED);
  assert.equal(kind(off, { ...on, sealed }), UPDATED, 'with another secret');
  assert.equal(kind(on, undefined), DELETED);

  const first = revisionOf({ before: undefined, after: off }, 'me');
  assert.deepEqual([first.generation, first.time, first.caller], [1n, off.integration.createTime, 'me']);
  assert.deepEqual(first.integration?.setSecrets, ['http.credentials.bearer.token']);
  assert.equal(first.integration?.etag, '');
  const { value } = first.integration!.configuration;
  assert.equal(JSON.stringify(value).includes('in clear'), false);

  const last = revisionOf({ before: on, after: undefined }, 'me');
  assert.deepEqual([last.generation, last.time], [3n, undefined]);
});
