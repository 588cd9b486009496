import { EventEmitter, once } from 'node:events';
import {
  Health,
  type HealthCheckResponse_ServingStatus,
  HealthCheckResponse_ServingStatus as Serving,
} from '../../gen/grpc/health/v1/health_pb.ts';
import { notFound } from './error.ts';
import { type RpcService, rpcService } from './service.ts';

export interface HealthService {
  readonly service: RpcService;
  /** `serviceName` is a full name such as `penstock.v1.IntegrationService`; empty = the server as a whole. */
  set(serviceName: string, serving: boolean): void;
}

/** `grpc.health.v1.Health`. Services are unknown to it until they are set. */
export function createHealth(): HealthService {
  const statuses = new Map<string, HealthCheckResponse_ServingStatus>();
  const changes = new EventEmitter().setMaxListeners(0);
  const service = rpcService(Health, {
    check({ service: name }) {
      const status = statuses.get(name);
      if (status === undefined) throw notFound(`service ${name}`);
      return { status };
    },
    list: () => ({
      statuses: Object.fromEntries([...statuses].map(([name, status]) => [name, { status }])),
    }),
    async *watch({ service: name }, { signal }) {
      let sent: HealthCheckResponse_ServingStatus | undefined;
      while (!signal.aborted) {
        const status = statuses.get(name) ?? Serving.SERVICE_UNKNOWN;
        if (status === sent) {
          await once(changes, 'change', { signal });
        } else {
          yield { status };
          sent = status;
        }
      }
    },
  });
  return {
    service,
    set(serviceName, serving) {
      statuses.set(serviceName, serving ? Serving.SERVING : Serving.NOT_SERVING);
      changes.emit('change');
    },
  };
}
