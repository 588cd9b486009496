import { NodeRole } from '../../../gen/penstock/v1/cluster_service_pb.ts';
import type { NodeReport } from '../../../gen/penstock/v1/uplink_pb.ts';
import { numberOf, type Type } from '../../contract/integration-type.ts';

/** What a node last said of itself. */
export interface NodeState {
  readonly serviceId: string;
  readonly startTime: Date;
  /** When it said so, by its own clock. */
  readonly time: Date;
  readonly stopping: boolean;
  readonly report: NodeReport;
}

/** A node that was heard of. */
export interface KnownNode extends NodeState {
  /** When it was last heard of, by PostgreSQL's clock. */
  readonly lastSeen: Date;
  /** It did not say that it stops, and was not silent for longer than a node may be. */
  readonly isLiving: boolean;
}

/** Every node that was heard of in the last days, by its name. */
export type Cluster = ReadonlyMap<string, KnownNode>;

/** Whether an executor that runs serves the type. */
export function isServed(type: Type, cluster: Cluster): boolean {
  const number = numberOf(type);
  return [...cluster.values()].some(
    ({ isLiving, report: { roles, types } }) =>
      isLiving && roles.includes(NodeRole.EXECUTOR) && types.includes(number),
  );
}

interface Said {
  readonly serviceId: string;
  readonly time: Date;
  /** When the node was started that said it. */
  readonly nodeStartTime: Date | undefined;
}

/** Whether a node that runs said this, and not before its present start. */
export function isOfLivingNode({ serviceId, time, nodeStartTime = time }: Said, cluster: Cluster): boolean {
  const node = cluster.get(serviceId);
  return node?.isLiving === true && nodeStartTime >= node.startTime;
}

/** Why what a node said does not count any more, for people; and since when. */
export function absence(serviceId: string, cluster: Cluster): { reason: string; since: Date | undefined } {
  const node = cluster.get(serviceId);
  if (!node) return { reason: `nothing was heard of executor ${serviceId} for days`, since: undefined };
  const { isLiving, stopping, lastSeen, startTime } = node;
  if (isLiving) return { reason: `executor ${serviceId} was started again`, since: startTime };
  const what = stopping ? 'stopped' : 'was last heard of';
  return { reason: `executor ${serviceId} ${what} at ${lastSeen.toISOString()}`, since: lastSeen };
}
