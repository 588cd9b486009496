import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { Suspects } from '../../src/executor/delivery/suspects.ts';
import { Window } from '../../src/executor/delivery/window.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { systemClock } from '../../src/runtime/clock.ts';

const LOST = {
  delivered: false,
  failureClass: FailureClass.DISCONNECTED,
  reason: 'closed',
  cut: { isShared: false, isForOne: 'maybe' },
} as const;

test('a message for which connections seemed to be lost is let go of when it is settled', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const suspects = new Suspects({ strategy: 'RETRY_ALL' }, systemClock);
  const window = new Window({ maxInFlight: 8, maxInFlightBytes: 1e9 }, new ByteLimit(1e9));
  const settled = () => {
    const message = window.take(0, 0, null, create(EnvelopeSchema, { topicName: 'a' }), new Uint8Array(10));
    suspects.failed(message, LOST);
    assert.match(suspects.reason!, /only message 0-0 is on it/);
    suspects.leave([message], 0);
    suspects.delivered(DELIVERED);
    window.settle(message);
    suspects.forget(message);
    return new WeakRef(message);
  };
  const message = settled();
  await turn();
  collect();
  assert.deepEqual([message.deref(), suspects.reason], [undefined, undefined]);
});
