import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Node, NodeSchema } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import type { Cluster } from './cluster.ts';

/** What a node runs, of what a caller may know of. */
interface Running {
  readonly integrations: number;
  readonly ids: readonly string[];
}

/**
 * The nodes that run, as callers see them. Nodes of a newer version may have roles and types that only their numbers are
 * known of.
 * @param isScoped whether the caller is limited to some integrations
 */
export function shownNodes(
  cluster: Cluster,
  byNode: ReadonlyMap<string, Running>,
  isScoped: boolean,
): Node[] {
  const nodes = [...cluster.values()].filter(({ isLiving }) => isLiving);
  return nodes.map(({ serviceId, report, startTime, lastSeen }) =>
    create(NodeSchema, {
      serviceId,
      roles: report.roles,
      version: report.version,
      types: report.types,
      integrationIds: [...(byNode.get(serviceId)?.ids ?? [])],
      integrations: byNode.get(serviceId)?.integrations ?? 0,
      startTime: timestampFromDate(startTime),
      lastSeenTime: timestampFromDate(lastSeen),
      warnings: isScoped ? [] : report.warnings, // they name integrations
      ...(report.figures && !isScoped && { figures: report.figures }),
      ...(report.deliveryDefaults && { deliveryDefaults: report.deliveryDefaults }),
      mqttWebsocketUrl: report.mqttWebsocketUrl,
    }),
  );
}
