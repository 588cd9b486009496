import { randomFillSync } from 'node:crypto';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import type { Bus } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';
import { createUuidV7 } from '../contract/uuid.ts';
import { type RpcService, rpcService } from '../rpc/service.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { IngressConfig } from './config.ts';
import { createFanOut } from './fan-out.ts';
import { reportFilters } from './filter-reports.ts';
import { followFilters } from './filters.ts';
import { startListener } from './listener/listener.ts';
import { publishMessage } from './routes/publish-message.ts';

export interface IngressDeps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  random(): number;
}

/** Takes messages in. Disposing stops the MQTT listener first; the services must not be called any more by then. */
export interface Ingress extends AsyncDisposable {
  /** To be served by whoever has a gRPC server. */
  readonly services: readonly RpcService[];
  /** `host:port` */
  readonly mqttAddress: string;
}

/**
 * Resolves once every integration's filters are known and the MQTT listener listens; rejects with the signal's reason when
 * that aborts before.
 */
export async function startIngress(
  config: IngressConfig,
  deps: IngressDeps,
  signal: AbortSignal,
): Promise<Ingress> {
  await using started = new AsyncDisposableStack();
  const onTaken = reportFilters({ ...deps, serviceId: config.serviceId });
  const followed = started.use(await followFilters({ ...deps, onTaken }, signal));
  const newId = createUuidV7(deps.clock.now, randomFillSync);
  const takeIn = createFanOut({ ...deps, filters: followed.filters, node: config.serviceId, newId });
  const listener = started.use(
    await startListener(config.mqtt, { ...deps, takeIn, waiting: deps.bus.outgoing }),
  );
  const running = started.move();
  return {
    services: [
      rpcService(MessageService, {
        publishMessage: publishMessage({ ...deps, takeIn, waiting: deps.bus.outgoing }),
      }),
    ],
    mqttAddress: listener.address,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
