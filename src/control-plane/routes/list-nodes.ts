import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ListNodesResponseSchema } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { scopeOf } from '../access/scope.ts';
import { integrationsByNode } from '../store/nodes.ts';
import type { RouteDeps } from './deps.ts';

/** Nodes of a newer version may have roles and types that only their numbers are known of. */
export async function listNodes(
  { db, recentCluster }: RouteDeps,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof ListNodesResponseSchema>> {
  const cluster = await recentCluster.load();
  const byNode = await integrationsByNode(db, scopeOf(caller));
  const nodes = [...cluster.values()].filter(({ isLiving }) => isLiving);
  return {
    nodes: nodes.map(({ serviceId, report: { roles, version, types, warnings }, startTime, lastSeen }) => ({
      serviceId,
      roles,
      version,
      types,
      integrationIds: [...(byNode.get(serviceId)?.ids ?? [])],
      integrations: byNode.get(serviceId)?.integrations ?? 0,
      startTime: timestampFromDate(startTime),
      lastSeenTime: timestampFromDate(lastSeen),
      warnings: caller.scope ? [] : warnings, // they name integrations
    })),
  };
}
