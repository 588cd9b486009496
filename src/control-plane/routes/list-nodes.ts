import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ListNodesResponseSchema } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import { shardsIn } from '../status/status.ts';
import { loadCluster } from '../store/nodes.ts';
import { statesOf } from '../store/reports.ts';
import type { RouteDeps } from './deps.ts';

/** Nodes of a newer version may have roles and types that only their numbers are known of. */
export async function listNodes({
  db,
}: RouteDeps): Promise<MessageInitShape<typeof ListNodesResponseSchema>> {
  const cluster = await loadCluster(db);
  const running = [...(await statesOf(db)).values()].flatMap((states) => shardsIn(states, cluster).running);
  const byNode = Map.groupBy(running, ({ serviceId }) => serviceId);
  const nodes = [...cluster.values()].filter(({ isLiving }) => isLiving);
  return {
    nodes: nodes.map(({ serviceId, report: { roles, version, types, warnings }, startTime, lastSeen }) => ({
      serviceId,
      roles,
      version,
      types,
      integrationIds: [
        ...new Set(byNode.get(serviceId)?.map(({ integrationId }) => integrationId)),
      ].toSorted(),
      startTime: timestampFromDate(startTime),
      lastSeenTime: timestampFromDate(lastSeen),
      warnings,
    })),
  };
}
