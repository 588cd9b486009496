import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { AccessRecordSchema, ScopeSchema, type TokenGrantSchema } from '../../gen/penstock/v1/access_pb.ts';
import { accessReader } from '../../src/access/access-record.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { testDeps } from '../helpers/test-deps.ts';

const TOPIC = 'penstock.ie.access';

function world() {
  const logged: string[] = [];
  const { clock, metrics } = testDeps();
  const read = accessReader({ metrics, logger: createLogger('warn', clock, (line) => logged.push(line)) });
  const record = { topic: TOPIC, partition: 0, offset: 7, key: null, timestamp: 0, headers: {} };
  const counted = async () => (await metrics.undecodable.get()).values[0]?.value ?? 0;
  return { logged, counted, read: (value: Uint8Array) => read({ ...record, value } as never) };
}

const grant = (more: MessageInitShape<typeof TokenGrantSchema> = {}) => ({
  id: randomUUID(),
  name: 'ci',
  hash: new Uint8Array(32),
  ...more,
});

test('a token that breaks a rule is left out, and the others of the record are known', async () => {
  const { logged, counted, read } = world();
  const [first, last] = [grant(), grant({ scope: { namePrefix: 'a' } })];
  // Of a newer version: scopes by what this one does not know, alone and beside what it knows.
  const later = create(ScopeSchema, { namePrefix: 'a' });
  later.$unknown = [{ no: 15, wireType: 0, data: new Uint8Array([1]) }];
  const broken = [
    grant({ scope: {} }),
    grant({ scope: later }),
    grant({ hash: new Uint8Array(31) }),
    grant({ expireTime: { seconds: 253_402_300_800n, nanos: 0 } }),
  ];
  const tokens = [first, ...broken, last];
  const access = read(toBinary(AccessRecordSchema, create(AccessRecordSchema, { version: 5n, tokens })));
  assert.equal(access?.version, 5n);
  assert.deepEqual(
    access?.tokens.map(({ id }) => id),
    [first.id, last.id],
  );
  assert.equal(await counted(), 4);
  assert.equal(logged.length, 1);
  assert.match(logged[0]!, /stepped over an API token that cannot be read/);
  assert.match(logged[0]!, new RegExp(`${broken[0]!.id}: scope: must have a name_prefix or labels`));
});

test('a record that does not decode is stepped over', async () => {
  const { logged, counted, read } = world();
  assert.equal(read(new Uint8Array([255, 255])), undefined);
  assert.equal(await counted(), 1);
  assert.match(logged[0]!, /stepped over a record that cannot be read/);
});
