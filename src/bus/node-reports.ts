import { type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { NodeFiguresSchema, NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import type { DeliveryPolicySchema } from '../../gen/penstock/v1/delivery_pb.ts';
import type { IntegrationType } from '../../gen/penstock/v1/integration_pb.ts';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Clock } from '../runtime/clock.ts';
import { withDeadline } from '../runtime/deadline.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import { VERSION } from '../runtime/version.ts';
import type { Warnings } from '../runtime/warnings.ts';
import type { Bus } from './bus.ts';
import type { Topics } from './topics.ts';
import { uplinkRecord } from './uplink-record.ts';

const INTERVAL = 2000;
/** How long a stop waits until Kafka has the last report. */
const LAST_DEADLINE = 2000;
/**
 * All nodes report in one partition: as long as one of them is heard, a silent one is silent itself, and it is not the
 * reading of the reports that has come to a halt.
 */
const KEY = 'nodes';

/** A node as it reports itself. */
export interface NodeDescription {
  readonly serviceId: string;
  readonly roles: readonly NodeRole[];
  /** The types it serves, for an executor. */
  readonly types: readonly IntegrationType[];
  /** Wall-clock time in milliseconds; tells the runs of a node apart. */
  readonly startTime: number;
  /** What it does where a delivery policy leaves it open, for an executor. */
  readonly deliveryDefaults?: MessageInitShape<typeof DeliveryPolicySchema> | undefined;
}

interface Deps {
  readonly bus: Pick<Bus, 'send'>;
  readonly topics: Topics;
  readonly warnings: Warnings;
  /** API tokens that callers were let in by since it was last called. Unset: none. */
  readonly takeUses?: (() => readonly { readonly tokenId: string; readonly time: number }[]) | undefined;
  /** What it uses, and what it has taken in. */
  figures(): Promise<MessageInitShape<typeof NodeFiguresSchema>>;
  /** Where it takes MQTT over WebSocket; '': nowhere that is known yet. */
  mqttWebSocketUrl(): string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Reports on the uplink topic that a node runs, every 2 s, one report at a time; disposing it, that the node stops. */
export function reportNode(node: NodeDescription, deps: Deps): AsyncDisposable {
  const { clock, logger } = deps;
  let isSending = false;
  let cancel = () => {};
  const tick = async () => {
    cancel = clock.setTimer(tick, INTERVAL);
    if (isSending) return; // Kafka is away: the next one says the same
    isSending = true;
    await send(node, false, deps).catch((error) => {
      logger.debug('Kafka did not take the report that this node runs', { why: messageOf(error) });
    });
    isSending = false;
  };
  void tick();
  return {
    async [Symbol.asyncDispose]() {
      cancel();
      const last = send(node, true, deps);
      // Without it, the node is missed some seconds later.
      await withDeadline(clock, LAST_DEADLINE, 'the last report', last).catch(() => {});
    },
  };
}

async function send(node: NodeDescription, stopping: boolean, deps: Deps): Promise<void> {
  const { bus, topics, warnings, clock, takeUses } = deps;
  const { serviceId, roles, types, deliveryDefaults } = node;
  const figures = await deps.figures();
  const startTime = timestampFromMs(node.startTime);
  const record = uplinkRecord(serviceId, clock, {
    nodeStartTime: startTime,
    report: {
      case: 'node',
      value: {
        roles: [...roles],
        version: VERSION,
        types: [...types],
        startTime,
        stopping,
        warnings: warnings.all(),
        tokenUses: (takeUses?.() ?? []).map(({ tokenId, time }) => ({
          tokenId,
          time: timestampFromMs(time),
        })),
        figures,
        mqttWebsocketUrl: deps.mqttWebSocketUrl(),
        ...(deliveryDefaults && { deliveryDefaults }),
      },
    },
  });
  await bus.send(topics.uplink.name, { key: KEY, value: toBinary(UplinkRecordSchema, record) });
}
