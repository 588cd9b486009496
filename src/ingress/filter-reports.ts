import { toBinary } from '@bufbuild/protobuf';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';
import { uplinkRecord } from '../bus/uplink-record.ts';
import type { Clock } from '../runtime/clock.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';

interface Deps {
  readonly bus: Pick<Bus, 'send'>;
  readonly topics: Topics;
  readonly serviceId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Tells the control plane which generation of an integration messages are matched by: it answers a caller then. A report
 * that Kafka does not take is counted; the caller is answered some seconds later.
 */
export function reportFilters({
  bus,
  topics,
  serviceId,
  clock,
  logger,
  metrics,
}: Deps): (id: string, generation: bigint) => void {
  return (integrationId, generation) => {
    const report = { case: 'filters', value: {} } as const;
    const record = uplinkRecord(serviceId, clock, { integrationId, generation, report });
    const value = toBinary(UplinkRecordSchema, record);
    bus.send(topics.uplink.name, { key: integrationId, value }).catch((error) => {
      metrics.suppressed.inc({ kind: 'filters' });
      logger.debug('a report was not sent', { integration: integrationId, error: messageOf(error) });
    });
  };
}
