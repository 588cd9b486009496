import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUILT_TYPES } from '../../../src/executor/handlers/registry.ts';
import { PEERS } from '../../helpers/peers.ts';

test('every type that can be delivered to has a peer', () => {
  assert.deepEqual(Object.keys(PEERS).toSorted(), BUILT_TYPES.toSorted());
});
