import { randomUUID } from 'node:crypto';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction, type UplinkRecord, UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';

type Init = MessageInitShape<typeof UplinkRecordSchema>;

/** A report of an executor: that the integration became active, unless `init` says otherwise. */
export function report(integrationId: string, init: Init = {}): UplinkRecord {
  return create(UplinkRecordSchema, {
    integrationId,
    generation: 1n,
    serviceId: 'e1',
    time: timestampFromMs(Date.now()),
    eventId: randomUUID(),
    report: {
      case: 'lifecycle',
      value: { action: LifecycleAction.STARTED, success: true, state: IntegrationState.ACTIVE },
    },
    ...init,
  });
}

/** What a report of a start that failed says. */
export const failedStart = (reason: string) => ({
  case: 'lifecycle' as const,
  value: { action: LifecycleAction.STARTED, success: false, state: IntegrationState.FAILED, reason },
});

export const encodedReport = (record: UplinkRecord) => toBinary(UplinkRecordSchema, record);
