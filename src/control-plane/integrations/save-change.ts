import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { failed } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { shardsOf } from '../outbox/downlink.ts';
import { MissingTopicError, saveChange } from '../store/changes.ts';
import type { StoredIntegration } from '../store/integrations.ts';
import type { Lock } from '../store/locks.ts';
import { growTopic, lockTopic, type MessageTopicDeps, makeTopicAnew } from '../topics/message-topic.ts';
import { kafkaError } from './checks.ts';
import { untilPublished, untilReceiving } from './receiving.ts';

export interface ChangeDeps extends MessageTopicDeps {
  readonly metrics: Pick<Metrics, 'topicsGrown'>;
  /** Called after each commit that left downlink records to publish. */
  readonly wakeRelay: () => void;
}

/** What was saved, and whether its topic filters are known to every ingress that runs. */
interface Saved {
  readonly stored: StoredIntegration;
  readonly awaitsIngress: boolean;
}

type Call = Pick<CallContext, 'caller' | 'signal' | 'timeoutMs'>;

const MAX_TRIES = 5;
const LOCK_PAUSE = 100;
/** How long to wait for a node that is deleting the topic, in milliseconds. */
const PATIENCE = 10_000;

/** The topic has fewer partitions than the integration is to have shards. */
class TooFewPartitionsError extends Error {
  readonly partitions: number;
  constructor(partitions: number) {
    super(`${partitions} partitions are needed`);
    this.partitions = partitions;
  }
}

/**
 * Saves a change as `saveChange` does. Where it enables an integration whose topic was taken away, or spreads it over more
 * executors, the topic is as it must be before. What is published to it once this has resolved is received, unless it still
 * awaits an ingress. Nothing is saved for a caller whose time is over, and one whose time ends afterwards is told in time.
 * @throws RpcError UNAVAILABLE Kafka or PostgreSQL does not answer, or the topic is being deleted
 */
export async function saveWithTopic(
  deps: ChangeDeps,
  id: string,
  call: Call,
  change: (stored: StoredIntegration) => StoredIntegration,
): Promise<Saved | undefined> {
  const { db, topics, wakeRelay } = deps;
  let grown = 0;
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    let before: StoredIntegration | undefined;
    let partitions = 1;
    try {
      const saved = await saveChange(db, topics, call.caller, id, (locked) => {
        call.signal.throwIfAborted();
        before = locked;
        const next = change(locked);
        partitions = Math.max(shardsOf(next.integration), shardsOf(locked.integration));
        if (partitions > Math.max(grown, partitionsOf(locked))) throw new TooFewPartitionsError(partitions);
        return next;
      });
      wakeRelay();
      if (!saved || !before) return undefined;
      return { stored: saved, awaitsIngress: !(await isTaken(deps, before, saved, call)) };
    } catch (error) {
      if (error instanceof TooFewPartitionsError) {
        const { partitions } = error;
        if (await withTopic(deps, id, (lock) => growTopic(deps, id, partitions, lock))) grown = partitions;
      } else if (error instanceof MissingTopicError) {
        await withTopic(deps, id, (lock) => makeTopicAnew(deps, id, partitions, lock));
      } else throw error;
    }
  }
  throw busy(id);
}

/** As many as the topic surely has; none are needed of one that is made anew. */
function partitionsOf({ topicState, integration }: StoredIntegration): number {
  const isThere = topicState === 'kept' || topicState === 'withdrawn';
  return isThere ? shardsOf(integration) : Number.POSITIVE_INFINITY;
}

/** Does something with the topic that no other node must do anything with meanwhile. */
async function withTopic<T>(deps: ChangeDeps, id: string, work: (lock: Lock) => Promise<T>): Promise<T> {
  const { clock } = deps;
  const end = clock.monotonic() + PATIENCE;
  while (clock.monotonic() < end) {
    await using lock = await lockTopic(deps, id);
    if (lock) {
      return await work(lock).catch((error) => {
        throw kafkaError(error);
      });
    }
    await clock.sleep(LOCK_PAUSE);
  }
  throw busy(id);
}

/** What is published after this must reach the integration. One whose topic was kept has been receiving all the time. */
async function isTaken(
  deps: ChangeDeps,
  before: StoredIntegration,
  saved: StoredIntegration,
  call: Call,
): Promise<boolean> {
  const { integration } = saved;
  // Somebody may ask again who was not answered when the topic came back.
  const isAskedAgain = saved === before && integration.enabled;
  const returns = saved.topicState === 'kept' && before.topicState !== 'kept';
  if ((returns || isAskedAgain) && !(await untilPublished(deps, integration, call))) {
    const text = `integration ${integration.id} is enabled, but Kafka does not know yet: it receives messages when Kafka is back`;
    throw failed(Code.UNAVAILABLE, 'NOT_PUBLISHED', text);
  }
  const filters = new Set(before.integration.topicFilters);
  const isWider = integration.topicFilters.some((filter) => !filters.has(filter));
  if (!returns && !isAskedAgain && !isWider) return true;
  return await untilReceiving(deps, integration, call);
}

const busy = (id: string) =>
  failed(
    Code.UNAVAILABLE,
    'TOPIC_BEING_DELETED',
    `the message topic of integration ${id} is being deleted, as it was disabled for long: try again`,
  );
