import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { NodeFiguresSchema } from '../../gen/penstock/v1/cluster_service_pb.ts';
import type { EventLoopWatch } from '../runtime/clock.ts';
import type { Metrics } from '../runtime/metrics.ts';

interface Deps {
  readonly metrics: Pick<Metrics, 'mqttConnections' | 'takenIn'>;
  readonly eventLoop: Pick<EventLoopWatch, 'longestDelay'>;
}

/** What this process uses, and what it has taken in, over whatever it came. */
export async function nodeFigures({
  metrics,
  eventLoop,
}: Deps): Promise<MessageInitShape<typeof NodeFiguresSchema>> {
  const { user, system } = process.cpuUsage();
  const connections = (await metrics.mqttConnections.get()).values;
  const messages = (await metrics.takenIn.get()).values;
  const count = (result: string) => sum(messages.filter(({ labels }) => labels.result === result));
  return {
    cpuSeconds: (user + system) / 1e6,
    rssBytes: BigInt(process.memoryUsage.rss()),
    eventLoopDelay: durationFromMs(Math.round(eventLoop.longestDelay())),
    mqttConnections: sum(connections),
    takenIn: count('stored'),
    unmatched: count('unmatched'),
    failed: count('failed'),
    dropped: count('dropped'),
    refused: count('refused'),
  };
}

const sum = (values: readonly { readonly value: number }[]) =>
  BigInt(values.reduce((total, { value }) => total + value, 0));
