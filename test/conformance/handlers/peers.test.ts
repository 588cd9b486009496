import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUILT_TYPES } from '../../../src/executor/handlers/registry.ts';
import { PEERS } from '../../helpers/peers.ts';

test('every type that can be delivered to has a peer', () => {
  const types = new Set(Object.keys(PEERS).map((name) => name.split(' ')[0]));
  assert.deepEqual(types, new Set(BUILT_TYPES));
});
