import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type DescField, equals, type MessageInitShape, toJsonString } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import {
  isIdentifier,
  isSecret,
  keepSecrets,
  secretsIn,
  setSecretPaths,
  withoutSecrets,
} from '../../src/contract/secrets.ts';
import { pathsTo } from '../helpers/schema-paths.ts';

const SECRET = 's3cret';

const nameOf = (path: readonly DescField[]) =>
  path.map((field) => field.name + (field.fieldKind === 'list' ? '[""]' : '')).join('.');

/** An integration in which nothing is set but this path. */
function integrationWith(path: readonly DescField[], value: string) {
  const integration = create(IntegrationSchema);
  let message = reflect(IntegrationSchema, integration);
  for (const field of path) {
    if (field.fieldKind === 'message') {
      message.set(field, message.get(field));
      message = message.get(field);
    } else if (field.fieldKind === 'list' && field.listKind === 'message') {
      const item = reflect(field.message, create(field.message));
      message.get(field).add(item);
      message = item;
    } else {
      message.set(field, value);
    }
  }
  return integration;
}

const secretPaths = pathsTo(IntegrationSchema, isSecret);

const basic = (username: string, password?: string) =>
  create(IntegrationSchema, {
    configuration: {
      case: 'http',
      value: {
        credentials: {
          credentials: {
            case: 'basic',
            value: { username, ...(password === undefined ? {} : { password }) },
          },
        },
      },
    },
  });

/** Secrets that are not named like one. */
const OTHERS = ['http.secret_headers[""].value'];

test('every field of the schema that is named like a secret is marked as one', () => {
  const named = pathsTo(IntegrationSchema, (field) =>
    /password|passphrase|secret$|private_key|token$|api_key/.test(field.name),
  );
  assert.ok(named.length > 0);
  const marked = secretPaths.map(nameOf).filter((name) => !OTHERS.includes(name));
  assert.deepEqual(named.map(nameOf), marked);
});

test('all secrets of a message are found, also in lists', () => {
  const integration = withIds(
    { clientId: 'a', password: 'A' },
    { clientId: 'b' },
    { clientId: 'c', password: 'C' },
  );
  assert.deepEqual(secretsIn(IntegrationSchema, integration), ['A', 'C']);
  assert.deepEqual(secretsIn(IntegrationSchema, basic('me', SECRET)), [SECRET]);
  assert.deepEqual(secretsIn(IntegrationSchema, basic('me')), []);
});

const isList = (field: DescField) => field.fieldKind === 'list' || field.fieldKind === 'map';

test('no secret of the schema is where it could not be told whose it is: in a map, in a list without identifiers', () => {
  for (const path of secretPaths) {
    const nameless = path.filter(
      (field) => isList(field) && !(field.fieldKind === 'list' && field.message?.fields.some(isIdentifier)),
    );
    assert.deepEqual(
      nameless.map((field) => field.name),
      [],
      nameOf(path),
    );
    assert.equal(
      path.at(-1)?.presence,
      1,
      `${nameOf(path)} must be optional, so that unset can be told from empty`,
    );
    assert.equal(
      path.at(-1)?.oneof,
      undefined,
      `${nameOf(path)} must be no choice: it is kept when it is unset`,
    );
  }
});

for (const path of secretPaths) {
  const name = nameOf(path);
  test(`${name} is cleared, listed and kept`, () => {
    const stored = integrationWith(path, SECRET);
    const told = withoutSecrets(IntegrationSchema, stored);
    assert.ok(!toJsonString(IntegrationSchema, told).includes(SECRET));
    assert.ok(!toJsonString(IntegrationSchema, told).includes('*'));
    assert.deepEqual(setSecretPaths(IntegrationSchema, told), []);
    assert.deepEqual(setSecretPaths(IntegrationSchema, stored), [name]);
    assert.ok(equals(IntegrationSchema, keepSecrets(IntegrationSchema, told, stored), stored));
    const changed = integrationWith(path, 'new');
    assert.ok(equals(IntegrationSchema, keepSecrets(IntegrationSchema, changed, stored), changed));
  });
}

test('what is not a secret stays, and the original is not touched', () => {
  const stored = basic('penstock', SECRET);
  assert.ok(equals(IntegrationSchema, withoutSecrets(IntegrationSchema, stored), basic('penstock')));
  assert.ok(equals(IntegrationSchema, stored, basic('penstock', SECRET)));
});

test('fields of a newer version are dropped at every depth', () => {
  const stored = basic('penstock', SECRET);
  const unknown = [{ no: 999, wireType: 2, data: new TextEncoder().encode(`\x06${SECRET}`) }] as const;
  stored.$unknown = [...unknown];
  assert.ok(stored.configuration.case === 'http');
  stored.configuration.value.$unknown = [...unknown];
  const told = withoutSecrets(IntegrationSchema, stored);
  assert.equal(told.$unknown, undefined);
  assert.ok(told.configuration.case === 'http');
  assert.equal(told.configuration.value.$unknown, undefined);
});

test('an empty secret is a new value, not a missing one', () => {
  const next = basic('penstock', '');
  assert.ok(equals(IntegrationSchema, keepSecrets(IntegrationSchema, next, basic('penstock', SECRET)), next));
});

test('credentials of another kind, or taken away, bring no secret back', () => {
  const stored = basic('penstock', SECRET);
  const configurations: MessageInitShape<typeof IntegrationSchema>['configuration'][] = [
    { case: 'http', value: {} },
    { case: 'http', value: { credentials: { credentials: { case: 'pem', value: {} } } } },
    {
      case: 'mqtt',
      value: { credentials: { credentials: { case: 'basic', value: { username: 'penstock' } } } },
    },
    { case: undefined },
  ];
  for (const configuration of configurations) {
    const next = create(IntegrationSchema, { ...(configuration && { configuration }) });
    assert.ok(equals(IntegrationSchema, keepSecrets(IntegrationSchema, next, stored), next));
  }
});

const withIds = (...items: readonly { clientId: string; username?: string; password?: string }[]) =>
  create(IntegrationSchema, {
    configuration: { case: 'mqtt', value: { host: 'h', staticClientIds: [...items] } },
  });

test('in a list each item keeps its own secret, whatever its place', () => {
  const stored = withIds(
    { clientId: 'a', password: 'A' },
    { clientId: 'b', password: 'B' },
    { clientId: 'c' },
  );
  const next = withIds(
    { clientId: 'new' },
    { clientId: 'b', username: 'bob' },
    { clientId: 'c' },
    { clientId: 'a', password: '' },
  );
  assert.ok(
    equals(
      IntegrationSchema,
      keepSecrets(IntegrationSchema, next, stored),
      withIds(
        { clientId: 'new' },
        { clientId: 'b', username: 'bob', password: 'B' },
        { clientId: 'c' },
        { clientId: 'a', password: '' },
      ),
    ),
  );
  assert.deepEqual(setSecretPaths(IntegrationSchema, stored), [
    'mqtt.static_client_ids["a"].password',
    'mqtt.static_client_ids["b"].password',
  ]);
  const json = toJsonString(IntegrationSchema, withoutSecrets(IntegrationSchema, stored));
  assert.doesNotMatch(json, /"A"|"B"/);
});
