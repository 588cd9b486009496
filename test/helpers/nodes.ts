import type { TestContext } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { NodeReportSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import { type NodeDescription, reportNode } from '../../src/bus/node-reports.ts';
import type { Topics } from '../../src/bus/topics.ts';
import { numberOf, TYPES } from '../../src/contract/integration-type.ts';
import type { Cluster, KnownNode } from '../../src/control-plane/status/cluster.ts';
import type { Warnings } from '../../src/runtime/warnings.ts';
import { testDeps } from './test-deps.ts';

const HOUR = 3_600_000;

/** What a node of these tests tells of itself. */
export const FIGURES = {
  cpuSeconds: 1.5,
  rssBytes: 1_000_000n,
  mqttConnections: 7n,
  takenIn: 5n,
  refused: 1n,
};

/** A node that reports itself, from an hour ago on: an executor of every type unless `init` says otherwise. */
export function nodeForTests(
  t: TestContext,
  { bus, topics, warnings }: { readonly bus: Bus; readonly topics: Topics; readonly warnings?: Warnings },
  init: Partial<NodeDescription> = {},
  url = '',
): AsyncDisposable {
  const node = {
    serviceId: 'e1',
    roles: [NodeRole.EXECUTOR],
    types: TYPES.map(numberOf),
    startTime: Date.now() - HOUR,
    ...init,
  };
  const reporting = reportNode(node, {
    ...testDeps(),
    bus,
    topics,
    figures: async () => FIGURES,
    mqttWebSocketUrl: () => url,
    ...(warnings && { warnings }),
  });
  t.after(() => reporting[Symbol.asyncDispose]());
  return reporting;
}

/** An executor that runs and serves HTTP, as a control plane knows it. */
export function knownNode(serviceId: string, init: Partial<KnownNode> = {}): KnownNode {
  return {
    serviceId,
    startTime: new Date(0),
    time: new Date(0),
    stopping: false,
    report: create(NodeReportSchema, { roles: [NodeRole.EXECUTOR], types: [numberOf('http')] }),
    lastSeen: new Date(0),
    isLiving: true,
    ...init,
  };
}

export const clusterOf = (...nodes: readonly KnownNode[]): Cluster =>
  new Map(nodes.map((node) => [node.serviceId, node]));
