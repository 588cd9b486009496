import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { LostError } from '../../src/executor/handlers/http/lost-error.ts';
import { connectionFailure } from '../../src/executor/handlers/http/outcome.ts';

const CUT = { isShared: true, isForOne: 'no' } as const;
const LEFT = new Error('other side closed');

test('a lost connection is told of messages that shared it, or a request on it, and of no other', () => {
  for (const [error, isBatch, cut] of [
    [new LostError(LEFT, false), false, undefined],
    [new LostError(LEFT, true), false, CUT],
    [new LostError(LEFT, false), true, CUT],
    [new LostError(LEFT, true), true, CUT],
    [new Error('connect ECONNREFUSED'), true, undefined],
  ] as const) {
    const failure = connectionFailure(error, isBatch);
    assert.equal(failure.failureClass, FailureClass.DISCONNECTED);
    assert.deepEqual(failure.cut, cut, `${error.message} ${isBatch}`);
  }
});
