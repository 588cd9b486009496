import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';
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
    const record = create(UplinkRecordSchema, {
      integrationId,
      generation,
      serviceId,
      time: timestampFromMs(clock.now()),
      eventId: randomUUID(),
      report: { case: 'filters', value: {} },
    });
    const value = toBinary(UplinkRecordSchema, record);
    bus.send(topics.uplink.name, { key: integrationId, value }).catch((error) => {
      metrics.suppressed.inc({ kind: 'filters' });
      logger.debug('a report was not sent', { integration: integrationId, error: messageOf(error) });
    });
  };
}
