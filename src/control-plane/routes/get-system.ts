import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { NodeRole } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import type { GetSystemResponseSchema } from '../../../gen/penstock/v1/system_service_pb.ts';
import { LIMITED } from '../../contract/limits.ts';
import { VERSION } from '../../runtime/version.ts';
import type { RouteDeps } from './deps.ts';

type Deps = Pick<RouteDeps, 'recentCluster' | 'limits' | 'serviceId' | 'statisticsInterval' | 'eventsTtl'>;

export async function getSystem(deps: Deps): Promise<MessageInitShape<typeof GetSystemResponseSchema>> {
  const { recentCluster, limits, serviceId, statisticsInterval, eventsTtl } = deps;
  const cluster = await recentCluster.get();
  const living = [...cluster.values()].filter(({ isLiving }) => isLiving);
  const urls = living.map(({ report }) => report.mqttWebsocketUrl).filter((url) => url !== '');
  const fields = Object.entries(LIMITED);
  return {
    system: {
      version: VERSION,
      serviceId,
      mqttWebsocketUrls: [...new Set(urls)],
      mqttWebsocketHere: cluster.get(serviceId)?.report.roles.includes(NodeRole.INGRESS) ?? false,
      statisticsInterval: durationFromMs(statisticsInterval),
      eventsTtl: durationFromMs(eventsTtl),
      fieldLimits: fields.map(([field, setting]) => ({ field, limit: BigInt(limits[setting]), setting })),
    },
  };
}
