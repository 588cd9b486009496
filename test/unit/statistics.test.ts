import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { Statistics } from '../../src/executor/delivery/statistics.ts';
import { Window } from '../../src/executor/delivery/window.ts';
import type { ErrorReports } from '../../src/executor/uplink/error-reports.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { testDeps } from '../helpers/test-deps.ts';

test('the last failure is told until a message is delivered', () => {
  const errors = { report() {} } as Partial<ErrorReports> as ErrorReports;
  using statistics = new Statistics({ id: 'id', type: 'http' }, { ...testDeps(), errors });
  const window = new Window({ maxInFlight: 1, maxInFlightBytes: 1e6 }, new ByteLimit(1e6));
  const message = window.take(0, 0, null, create(EnvelopeSchema), new Uint8Array());
  statistics.failed(
    message,
    { delivered: false, failureClass: FailureClass.UNAVAILABLE, reason: 'away' },
    false,
  );
  assert.equal(statistics.lastFailure, 'away');
  statistics.delivered(message);
  assert.equal(statistics.lastFailure, '');
});
