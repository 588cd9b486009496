import { randomFillSync } from 'node:crypto';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import type { Bus } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';
import { createUuidV7 } from '../contract/uuid.ts';
import { failed } from '../rpc/error.ts';
import { type MethodHandler, type RpcService, rpcService } from '../rpc/service.ts';
import type { WebSocketService } from '../rpc/web-socket/handshake.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Condition } from '../runtime/readiness.ts';
import type { IngressConfig } from './config.ts';
import { createFanOut } from './fan-out.ts';
import { reportFilters } from './filter-reports.ts';
import { followFilters } from './filters.ts';
import { type Listener, startListener } from './listener/listener.ts';
import { ReceivedNotes } from './listener/received-notes.ts';
import { mqttWebSocket } from './mqtt-web-socket.ts';
import { publishMessage } from './routes/publish-message.ts';

export interface IngressDeps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  random(): number;
  /** Told at once: what is to be served by whoever has a gRPC server, and what the services rest on. */
  begun(part: {
    readonly services: readonly RpcService[];
    readonly webSockets: readonly WebSocketService[];
    readonly conditions: readonly Condition[];
  }): void;
}

type Publish = MethodHandler<typeof MessageService.method.publishMessage>;

/** Takes messages in. Disposing stops the MQTT listener first; the services must not be called any more by then. */
export interface Ingress extends AsyncDisposable {
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
  let restoring: string | undefined = 'restoring the topic filters';
  let publish: Publish | undefined;
  let listener: Listener | undefined;
  deps.begun({
    services: [
      rpcService(MessageService, {
        publishMessage(request, context) {
          if (publish) return publish(request, context);
          throw failed(Code.UNAVAILABLE, 'STARTING', `${restoring}: send it again later`);
        },
      }),
    ],
    webSockets: [
      mqttWebSocket(config.mqtt, {
        listener: () => listener,
        trouble: () => restoring && `${restoring}: connect again later`,
      }),
    ],
    conditions: [{ name: 'restore', patience: 0, trouble: () => restoring }],
  });
  const onTaken = reportFilters({ ...deps, serviceId: config.serviceId });
  const onRead = (read: number, all: number) => {
    restoring = `restoring the topic filters (${read} of ${all} partitions)`;
  };
  const notes = new ReceivedNotes({ ...deps, serviceId: config.serviceId });
  const restored = notes.restore(signal);
  restored.catch(() => {}); // should the filters fail first
  const followed = started.use(await followFilters({ ...deps, onTaken, onRead }, signal));
  const newId = createUuidV7(deps.clock.now, randomFillSync);
  const takeIn = createFanOut({ ...deps, filters: followed.filters, node: config.serviceId, newId });
  restoring = 'restoring the sessions of MQTT clients';
  await restored;
  listener = started.use(
    await startListener(config.mqtt, { ...deps, takeIn, notes, waiting: deps.bus.outgoing }),
  );
  publish = publishMessage({ ...deps, takeIn, waiting: deps.bus.outgoing });
  restoring = undefined;
  const running = started.move();
  return {
    mqttAddress: listener.address,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
