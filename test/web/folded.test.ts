import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { EventSchema } from '../../gen/penstock/v1/event_service_pb.ts';
import { folded } from '../../web/src/pages/events/folded.ts';

const error = (id: string, seconds: number, message: string, serviceId = 'ie-0') =>
  create(EventSchema, {
    id,
    integrationId: 'i',
    serviceId,
    time: { seconds: BigInt(seconds) },
    event: { case: 'error', value: { message, failureClass: FailureClass.TIMEOUT, count: 1n } },
  });

test('failures that say the same within a minute are one line with its count', () => {
  const events = [
    error('5', 200, 'timed out'),
    error('4', 190, 'refused'),
    error('3', 150, 'timed out'),
    error('2', 140, 'timed out'),
    error('1', 139, 'timed out'),
    error('0', 139, 'timed out', 'ie-1'),
  ];
  assert.deepEqual(
    folded(events).map(({ event, count }) => [event.id, count]),
    [
      ['5', 3],
      ['4', 1],
      ['1', 1],
      ['0', 1],
    ],
  );
});
