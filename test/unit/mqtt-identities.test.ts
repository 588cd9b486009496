import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { MqttConfigurationSchema } from '../../gen/penstock/v1/mqtt_pb.ts';
import { checkIdentities } from '../../src/executor/handlers/mqtt/identities.ts';

test('a check tries each user of the static client ids once, and none of their client ids', () => {
  const config = create(MqttConfigurationSchema, {
    credentials: { credentials: { case: 'basic', value: { username: 'shared', password: 's' } } },
    staticClientIds: [
      { clientId: 'one', username: 'a', password: 'x' },
      { clientId: 'two', username: 'a', password: 'x' },
      { clientId: 'three', username: 'b', password: 'y' },
      { clientId: 'four' },
    ],
  });
  let n = 0;
  const identities = checkIdentities(config, { random: () => ++n / 10 });
  assert.deepEqual(
    identities.map(({ username, password }) => [username, password]),
    [
      ['a', 'x'],
      ['b', 'y'],
      ['shared', 's'],
    ],
  );
  const ids = identities.map(({ clientId }) => clientId);
  assert.ok(ids.every((id) => id.startsWith('penstock-check-')));
  assert.equal(new Set(ids).size, 3);
});
