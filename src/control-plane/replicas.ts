import type { Bus, Replicas } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';
import type { Warnings } from '../runtime/warnings.ts';
import { Periodic, type PeriodicDeps } from './periodic.ts';

const INTERVAL = 600_000;
/** Topics that Kafka is asked about at a time. */
const PAGE = 500;

interface Deps extends PeriodicDeps {
  readonly bus: Pick<Bus, 'listTopics' | 'keepReplicas'>;
  readonly topics: Pick<Topics, 'has'>;
  readonly warnings: Warnings;
}

/** Looks, now and then, that what Kafka has acknowledged is on several nodes; warns where it cannot be. */
export function startReplicaSweep(deps: Deps): Periodic {
  const { bus, topics, warnings, logger } = deps;
  return new Periodic(
    {
      name: 'looking at the replicas of topics',
      interval: INTERVAL,
      async work(signal) {
        const names = (await bus.listTopics()).filter((name) => topics.has(name));
        const single: string[] = [];
        let nodes = 0;
        for (let start = 0; start < names.length; start += PAGE) {
          signal.throwIfAborted();
          const found = await bus.keepReplicas(names.slice(start, start + PAGE));
          nodes = found.nodes;
          single.push(...singleAmong(found));
        }
        const warning = warningOf(nodes, single);
        if (warning !== undefined && !warnings.all().includes(warning)) logger.warn(warning);
        warnings.set('replicas', warning);
        return false;
      },
    },
    deps,
  );
}

const singleAmong = ({ replicas }: Replicas) =>
  [...replicas].filter(([, count]) => count === 1).map(([name]) => name);

function warningOf(nodes: number, [first, ...others]: readonly string[]): string | undefined {
  if (nodes < 2 || first === undefined) return undefined;
  const which = others.length === 0 ? `${first} is` : `${first} and ${others.length} other topics are`;
  return (
    `${which} on one node of a Kafka of ${nodes}: with that node, what was acknowledged is lost; ` +
    'set PENSTOCK_KAFKA_REPLICATION=3 for new topics, and give replicas to those that exist (kafka-reassign-partitions)'
  );
}
