import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ListNodesResponseSchema } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { scopeOf } from '../access/scope.ts';
import { shownNodes } from '../status/shown-nodes.ts';
import { integrationsByNode } from '../store/nodes.ts';
import type { RouteDeps } from './deps.ts';

export async function listNodes(
  { db, recentCluster }: RouteDeps,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof ListNodesResponseSchema>> {
  const cluster = await recentCluster.load();
  const scope = scopeOf(caller);
  return { nodes: shownNodes(cluster, await integrationsByNode(db, scope), scope !== undefined) };
}
