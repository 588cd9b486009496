import { timestampMs } from '@bufbuild/protobuf/wkt';
import { NodeRole } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import type { IntegrationType } from '../../../gen/penstock/v1/integration_pb.ts';
import type { UplinkRecord } from '../../../gen/penstock/v1/uplink_pb.ts';

/** An executor that is silent for longer is not heard meanwhile; in milliseconds. It reports itself every 2 s. */
export const SILENCE = 10_000;

/** A time in which an executor was heard, without a longer silence. */
export interface Heard {
  readonly serviceId: string;
  readonly since: Date;
  readonly until: Date;
  /** What it served, in order. */
  readonly types: readonly IntegrationType[];
}

/**
 * When executors were heard, by reports of one partition, in their order.
 * @param now in milliseconds; a report from the future counts as one of now
 */
export function heardIn(records: Iterable<UplinkRecord>, now: number): Heard[] {
  const heard: Heard[] = [];
  const last = new Map<string, { -readonly [K in keyof Heard]: Heard[K] }>();
  for (const { serviceId, time, report } of records) {
    if (report.case !== 'node' || !report.value.roles.includes(NodeRole.EXECUTOR)) continue;
    const at = new Date(Math.max(0, Math.min(now, timestampMs(time!))));
    const types = report.value.types.toSorted((a, b) => a - b);
    const before = last.get(serviceId);
    if (before?.types.join() === types.join() && at.getTime() - before.until.getTime() <= SILENCE) {
      if (at > before.until) before.until = at;
      continue;
    }
    const next = { serviceId: serviceId.replaceAll('\0', ''), since: at, until: at, types };
    heard.push(next);
    last.set(serviceId, next);
  }
  return heard;
}
