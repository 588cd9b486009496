import type { Bus, Replicas } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import type { Warnings } from '../../runtime/warnings.ts';
import { Periodic, type PeriodicDeps } from '../periodic.ts';

const INTERVAL = 600_000;
/** Topics that Kafka is asked about at a time. */
const PAGE = 500;

interface Deps extends PeriodicDeps {
  readonly bus: Pick<Bus, 'listTopics' | 'keepReplicas' | 'keepBounds' | 'keepRetention'>;
  readonly topics: Pick<Topics, 'has' | 'deadLetters' | 'deadLetterBounds' | 'sessions' | 'sessionRetention'>;
  readonly warnings: Warnings;
}

/**
 * Looks, now and then, that what Kafka has acknowledged is on several nodes, and warns where it cannot be; and that no topic
 * of dead letters, or of sessions, grows without end.
 */
export function startTopicUpkeep(deps: Deps): Periodic {
  const { bus, topics } = deps;
  return new Periodic(
    {
      name: 'looking after topics',
      interval: INTERVAL,
      async work(signal) {
        const names = (await bus.listTopics()).filter((name) => topics.has(name));
        // Neither waits for the other: of one of the topics Kafka may refuse it for good.
        const done = await Promise.allSettled([
          lookAtReplicas(deps, names, signal),
          keepBounds(deps, names, signal),
          keepRetention(deps, names),
        ]);
        for (const one of done) if (one.status === 'rejected') throw one.reason;
        return false;
      },
    },
    deps,
  );
}

const pagesOf = (names: readonly string[]) =>
  Array.from({ length: Math.ceil(names.length / PAGE) }, (_, i) => names.slice(i * PAGE, (i + 1) * PAGE));

async function keepBounds(
  { bus, topics }: Deps,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const prefix = topics.deadLetters('').name;
  for (const some of pagesOf(names.filter((name) => name.startsWith(prefix)))) {
    signal.throwIfAborted();
    await bus.keepBounds(some, topics.deadLetterBounds);
  }
}

async function keepRetention({ bus, topics }: Deps, names: readonly string[]): Promise<void> {
  const { name } = topics.sessions;
  if (names.includes(name)) await bus.keepRetention([name], topics.sessionRetention);
}

async function lookAtReplicas(
  { bus, warnings, logger }: Deps,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const single: string[] = [];
  let nodes = 0;
  for (const some of pagesOf(names)) {
    signal.throwIfAborted();
    const found = await bus.keepReplicas(some);
    nodes = found.nodes;
    single.push(...singleAmong(found));
  }
  const warning = warningOf(nodes, single);
  if (warning !== undefined && !warnings.all().includes(warning)) logger.warn(warning);
  warnings.set('replicas', warning);
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
