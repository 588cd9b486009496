import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clone, create, equals, type MessageInitShape } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { applyUpdate } from '../../src/contract/apply-update.ts';
import { changedPaths } from '../../src/contract/changed-paths.ts';
import { mergeOf, textAt, withMine } from '../../web/src/forms/changes.ts';

type Init = Exclude<MessageInitShape<typeof IntegrationSchema>, Integration>;

const http = (value: object): Init => ({ configuration: { case: 'http', value } });
const BASE: Init = {
  id: 'i',
  etag: '1',
  name: 'n',
  topicFilters: ['a'],
  metadata: { a: '1' },
  delivery: { retries: 3 },
  ...http({
    restEndpointUrl: 'http://a/',
    headers: { x: '1' },
    credentials: { credentials: { case: 'basic', value: { username: 'me' } } },
  }),
};
const of = (init: Init) => create(IntegrationSchema, init);

test('the mask of a change has what differs, and nothing else', () => {
  const value = (BASE.configuration as { readonly value: object }).value;
  const changes: readonly (readonly [Init, readonly string[]])[] = [
    [BASE, []],
    [{ ...BASE, etag: '2', generation: 9n, setSecrets: ['x'] }, []],
    [{ ...BASE, name: 'm' }, ['name']],
    [{ ...BASE, topicFilters: ['a', 'b'] }, ['topic_filters']],
    [{ ...BASE, metadata: {} }, ['metadata']],
    [{ ...BASE, delivery: { retries: 4 } }, ['delivery.retries']],
    [{ ...BASE, delivery: {} }, ['delivery.retries']],
    [{ ...BASE, ...http({ ...value, headers: { x: '2' } }) }, ['http.headers']],
    [{ ...BASE, ...http({ ...value, connectTimeout: { seconds: 1n } }) }, ['http.connect_timeout']],
    [
      {
        ...BASE,
        ...http({
          ...value,
          credentials: { credentials: { case: 'basic', value: { username: 'me', password: 'p' } } },
        }),
      },
      ['http.credentials.basic.password'],
    ],
    [
      {
        ...BASE,
        ...http({ ...value, credentials: { credentials: { case: 'bearer', value: { token: 't' } } } }),
      },
      ['http.credentials.bearer'],
    ],
    [{ ...BASE, configuration: { case: 'mqtt', value: { host: 'h' } } }, ['mqtt']],
  ];
  for (const [init, paths] of changes) {
    const [before, after] = [of(BASE), of(init)];
    assert.deepEqual(changedPaths(before, after), paths);
    if (paths.length === 0) continue;
    // What the server makes of it is what was meant.
    const { integration } = applyUpdate(before, after, paths);
    const meant = clone(IntegrationSchema, after);
    assert.ok(equals(IntegrationSchema, { ...integration, etag: '' }, { ...meant, etag: '' }), paths.join());
  }
});

test('what two people changed apart is kept of both, and what both changed is told', () => {
  const theirs = of({ ...BASE, name: 'theirs', delivery: { retries: 5 }, topicFilters: ['same'] });
  const mine = of({ ...BASE, name: 'mine', metadata: { b: '2' }, topicFilters: ['same'] });
  const merge = mergeOf(of(BASE), theirs, mine);
  assert.deepEqual(merge, { mine: ['metadata'], theirs: ['delivery.retries'], both: ['name'] });
  const merged = withMine(theirs, mine, [...merge.mine, 'name']);
  assert.deepEqual(
    [merged.name, merged.metadata, merged.delivery?.retries, merged.topicFilters],
    ['mine', { b: '2' }, 5, ['same']],
  );
  assert.equal(withMine(theirs, mine, []).name, 'theirs');
});

test('a value is told in words, and a secret never', () => {
  const one = of({
    ...BASE,
    ...http({
      requestMethod: 2,
      credentials: { credentials: { case: 'basic', value: { username: 'me', password: 'hunter2' } } },
    }),
  });
  assert.equal(textAt(one, 'name'), 'n');
  assert.equal(textAt(one, 'topic_filters'), 'a');
  assert.equal(textAt(one, 'metadata'), 'a: 1');
  assert.equal(textAt(one, 'http.credentials.basic.username'), 'me');
  assert.equal(textAt(one, 'http.credentials.basic.password'), 'a new value');
  assert.equal(textAt(one, 'http.connect_timeout'), '');
  assert.equal(textAt(one, 'no.such'), '');
  assert.match(textAt(one, 'http.request_method'), /^HTTP_METHOD_/);
});
