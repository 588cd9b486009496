import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import { callerKey } from '../../src/rpc/caller-key.ts';

const ci = { name: 'ci', kind: CallerKind.TOKEN, role: Role.EDITOR, address: '192.0.2.1' };

test('two tokens of one name are two callers for limits, from wherever they call', () => {
  const [first, second] = ['a', 'b'].map((tokenId) => callerKey({ ...ci, tokenId }));
  assert.notEqual(first, second);
  assert.equal(callerKey({ ...ci, tokenId: 'a', address: '192.0.2.2' }), first);
  assert.equal(
    callerKey({ ...ci, kind: CallerKind.USER, address: '192.0.2.2' }),
    callerKey({ ...ci, kind: CallerKind.USER }),
  );
});
