import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetIntegrationRequest,
  GetIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { isInScope } from '../access/scope.ts';
import { answerOf } from '../integrations/answer.ts';
import { unknownIntegration } from '../integrations/guards.ts';
import type { Cluster } from '../status/cluster.ts';
import type { Reports } from '../status/status.ts';
import type { RouteDeps } from './deps.ts';

export async function getIntegration(
  { integrations, recentCluster }: RouteDeps,
  { id }: GetIntegrationRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof GetIntegrationResponseSchema>> {
  const one = await integrations.get(id.toLowerCase());
  if (!one || !isInScope(caller, one.stored.integration)) throw unknownIntegration(id);
  const { stored, reports } = one;
  const recent = await recentCluster.get();
  const cluster = knowsAll(recent, reports) ? recent : await recentCluster.load();
  return { integration: answerOf(stored, reports, cluster) };
}

/** Whether whoever said something was heard of, in that run of theirs. */
function knowsAll(cluster: Cluster, { states }: Reports): boolean {
  return states.every(({ serviceId, nodeStartTime }) => {
    const node = cluster.get(serviceId);
    return node !== undefined && (nodeStartTime ?? node.startTime) <= node.startTime;
  });
}
