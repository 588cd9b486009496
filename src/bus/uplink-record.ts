import { randomUUID } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type UplinkRecord, UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Clock } from '../runtime/clock.ts';

type Said = Omit<MessageInitShape<typeof UplinkRecordSchema>, '$typeName' | 'serviceId' | 'time' | 'eventId'>;

/** A report of a node, made now, with an id of its own. */
export function uplinkRecord(serviceId: string, clock: Clock, said: Said): UplinkRecord {
  const time = timestampFromMs(clock.now());
  return create(UplinkRecordSchema, { ...said, serviceId, time, eventId: randomUUID() });
}
