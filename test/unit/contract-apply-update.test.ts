import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clone, create, equals, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import type { HttpConfigurationSchema } from '../../gen/penstock/v1/http_pb.ts';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { applyUpdate } from '../../src/contract/apply-update.ts';

const http = (value: MessageInitShape<typeof HttpConfigurationSchema>) => ({ case: 'http' as const, value });
type Init = MessageInitShape<typeof IntegrationSchema>;
const make = (init: Init) => create(IntegrationSchema, init);
const credentials = (username: string, password?: string) => ({
  credentials: {
    case: 'basic' as const,
    value: { username, ...(password === undefined ? {} : { password }) },
  },
});

const STORED = {
  id: '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11',
  name: 'stored',
  description: 'as it was',
  enabled: true,
  topicFilters: ['a/#'],
  metadata: { site: 'north' },
  delivery: { retries: 3, maxPause: { seconds: 5n } },
  generation: 4n,
  etag: 'e4',
  createTime: { seconds: 1n },
  configuration: http({
    restEndpointUrl: 'http://host/stored',
    headers: { a: '1' },
    credentials: credentials('stored', 's3cret'),
  }),
} satisfies Init;
const stored = make(STORED);
const changes = make({
  id: 'ffffffff-8b0a-4e57-9c5b-0f6f2f5c9a11',
  name: 'changed',
  topicFilters: ['b'],
  delivery: { retries: 9 },
  generation: 99n,
  etag: 'x',
  configuration: http({ restEndpointUrl: 'http://host/changed', credentials: credentials('changed') }),
});

/** Updates, sure that no path is refused and that neither argument is touched. */
function update(
  paths: readonly string[],
  from: Integration = changes,
  to: Integration = stored,
): Integration {
  const [fromBefore, toBefore] = [clone(IntegrationSchema, from), clone(IntegrationSchema, to)];
  const { integration, violations } = applyUpdate(to, from, paths);
  assert.deepEqual(violations, []);
  assert.ok(equals(IntegrationSchema, from, fromBefore));
  assert.ok(equals(IntegrationSchema, to, toBefore));
  return integration;
}

function assertEquals(actual: Integration, expected: Init): void {
  assert.deepEqual(actual, make(expected));
}

test('without paths every field of the user is replaced, secrets and what the server sets stay', () => {
  assertEquals(update([]), {
    ...STORED,
    name: 'changed',
    description: '',
    enabled: false,
    topicFilters: ['b'],
    metadata: {},
    delivery: { retries: 9 },
    configuration: http({
      restEndpointUrl: 'http://host/changed',
      credentials: credentials('changed', 's3cret'),
    }),
  });
});

test('only the fields on the paths change; what is unset in the changes is cleared', () => {
  assertEquals(update(['name']), { ...STORED, name: 'changed' });
  assertEquals(update(['enabled', 'description']), { ...STORED, enabled: false, description: '' });
  assertEquals(update(['topic_filters']), { ...STORED, topicFilters: ['b'] });
  assertEquals(update(['delivery']), { ...STORED, delivery: { retries: 9 } });
  assertEquals(update(['metadata']), { ...STORED, metadata: {} });
});

test('paths lead inside messages', () => {
  assertEquals(update(['delivery.retries']), {
    ...STORED,
    delivery: { retries: 9, maxPause: { seconds: 5n } },
  });
  assertEquals(update(['delivery.max_pause']), { ...STORED, delivery: { retries: 3 } });
  assertEquals(update(['http.rest_endpoint_url']), {
    ...STORED,
    configuration: http({
      restEndpointUrl: 'http://host/changed',
      headers: { a: '1' },
      credentials: credentials('stored', 's3cret'),
    }),
  });
  assertEquals(update(['http.credentials.basic.username', 'http.headers']), {
    ...STORED,
    configuration: http({
      restEndpointUrl: 'http://host/stored',
      credentials: credentials('changed', 's3cret'),
    }),
  });
});

test('a path into what is not there yet makes it', () => {
  const bare = make({ name: 'bare' });
  assertEquals(update(['delivery.retries'], changes, bare), { name: 'bare', delivery: { retries: 9 } });
  assertEquals(update(['delivery.max_pause'], make({}), bare), { name: 'bare' });
});

test('a secret that is set in the changes is taken over', () => {
  const next = make({ configuration: http({ credentials: credentials('stored', 'n3w') }) });
  assertEquals(update(['http.credentials.basic.password'], next), {
    ...STORED,
    configuration: http({
      restEndpointUrl: 'http://host/stored',
      headers: { a: '1' },
      credentials: credentials('stored', 'n3w'),
    }),
  });
});

test('the items of a list that is replaced keep their own secrets', () => {
  const withIds = (...staticClientIds: { clientId: string; password?: string }[]) =>
    make({ configuration: { case: 'mqtt', value: { host: 'h', staticClientIds } } });
  const before = withIds({ clientId: 'a', password: 'A' }, { clientId: 'b', password: 'B' });
  const next = withIds({ clientId: 'b' }, { clientId: 'c' }, { clientId: 'a', password: 'n3w' });
  const after = withIds(
    { clientId: 'b', password: 'B' },
    { clientId: 'c' },
    { clientId: 'a', password: 'n3w' },
  );
  assert.deepEqual(update(['mqtt.static_client_ids'], next, before), after);
});

test('a path to another type replaces the configuration', () => {
  const configuration = { case: 'mqtt' as const, value: { host: 'broker', clientId: 'c' } };
  const toMqtt = make({ configuration });
  assertEquals(update(['mqtt'], toMqtt), { ...STORED, configuration });
  assert.deepEqual(update([], toMqtt).configuration, toMqtt.configuration);
  assertEquals(update(['mqtt.host'], toMqtt), {
    ...STORED,
    configuration: { case: 'mqtt', value: { host: 'broker' } },
  });
  assert.deepEqual(update([], changes, toMqtt).configuration, changes.configuration);
});

test('paths that are not a user’s to set are named, and change nothing', () => {
  const refused = ['id', 'status', 'create_time', 'update_time', 'generation', 'etag', 'set_secrets'];
  const unknown = [
    '',
    '.',
    'x',
    'topicFilters',
    'configuration',
    'http.',
    'http.x',
    'name.x',
    'metadata.site',
    '*',
  ];
  const paths = [...refused, ...unknown];
  const { integration, violations } = applyUpdate(stored, changes, paths);
  assertEquals(integration, STORED);
  assert.deepEqual(
    violations.map(({ field, description }) => [field, description.split(':')[0]]),
    paths.map((path) => ['update_mask', path]),
  );
});

test('a mask of too many paths is refused as a whole', () => {
  const { violations } = applyUpdate(
    stored,
    changes,
    Array.from({ length: 101 }, (_, i) => `x${i}`),
  );
  assert.equal(violations.length, 1);
  assert.equal(violations[0]?.field, 'update_mask');
});

test('the order and the repetition of paths do not count, and a second time changes nothing', () => {
  const paths = [
    'name',
    'enabled',
    'delivery',
    'delivery.retries',
    'http.headers',
    'http.rest_endpoint_url',
    'http',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...paths), { minLength: 1 }), (chosen) => {
      const once = update(chosen);
      assert.deepEqual(update(chosen.toReversed()), once);
      assert.deepEqual(update([...chosen, ...chosen]), once);
      assert.deepEqual(update(chosen, changes, once), once);
    }),
  );
});
