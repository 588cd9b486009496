import { Code } from '../../gen/google/rpc/code_pb.ts';
import { failed } from '../rpc/error.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { kafkaError } from './checks.ts';
import { shardsOf } from './downlink.ts';
import { lockTopic, type MessageTopicDeps, makeTopicAnew } from './message-topic.ts';
import { MissingTopicError, saveChange } from './store/changes.ts';
import { findIntegration, type StoredIntegration } from './store/integrations.ts';
import { isPublished } from './store/message-topics.ts';

export interface ChangeDeps extends MessageTopicDeps {
  readonly metrics: Pick<Metrics, 'topicsGrown'>;
  /** Called after each commit that left downlink records to publish. */
  readonly wakeRelay: () => void;
}

const MAX_TRIES = 5;
const LOCK_PAUSE = 100;
/** How long to wait for a node that is deleting the topic, and for the record to be published, in milliseconds. */
const PATIENCE = 10_000;
/** What ingress takes at most, without a fault, to hear of what is published. */
const SETTLE = 2000;

/**
 * Saves a change as `saveChange` does. Where it enables an integration whose topic was taken away, the topic is there
 * anew before, and ingress writes to it when this resolves.
 * @throws RpcError UNAVAILABLE Kafka or PostgreSQL does not answer, or the topic is being deleted
 */
export async function saveWithTopic(
  deps: ChangeDeps,
  id: string,
  change: (stored: StoredIntegration) => StoredIntegration,
): Promise<StoredIntegration | undefined> {
  const { db, topics, wakeRelay } = deps;
  let grown = 0;
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    let returns = false;
    let partitions = 1;
    try {
      const saved = await saveChange(db, topics, id, (locked) => {
        const next = change(locked);
        const shards = shardsOf(next.integration);
        if (shards > Math.max(grown, shardsOf(locked.integration))) throw new TooFewPartitionsError(shards);
        returns = next.integration.enabled && locked.topicState !== 'kept';
        partitions = Math.max(shards, shardsOf(locked.integration));
        return next;
      });
      wakeRelay();
      if (saved && returns) await untilReceiving(deps, saved);
      return saved;
    } catch (error) {
      if (error instanceof TooFewPartitionsError) {
        await growTopic(deps, id, error.partitions);
        grown = error.partitions;
        continue;
      }
      if (!(error instanceof MissingTopicError)) throw error;
    }
    await restoreTopic(deps, id, partitions);
  }
  throw busy(id);
}

/** The executors that are added find their partitions when they hear of it. */
class TooFewPartitionsError extends Error {
  readonly partitions: number;
  constructor(partitions: number) {
    super(`${partitions} partitions are needed`);
    this.partitions = partitions;
  }
}

/** More partitions take effect on keys: what comes next of a key may overtake what waits in its old partition. */
async function growTopic({ db, bus, topics, metrics, logger }: ChangeDeps, id: string, partitions: number) {
  if ((await findIntegration(db, id))?.topicState !== 'kept') return; // made with as many when it is needed
  try {
    await bus.createTopics([topics.messages(id, partitions)]);
  } catch (error) {
    throw kafkaError(error);
  }
  metrics.topicsGrown.inc();
  logger.warn('a message topic was given partitions: the order of keys that move begins anew', {
    integration: id,
    partitions,
  });
}

async function restoreTopic(deps: ChangeDeps, id: string, partitions: number): Promise<void> {
  const { clock } = deps;
  const end = clock.monotonic() + PATIENCE;
  while (clock.monotonic() < end) {
    await using lock = await lockTopic(deps, id);
    if (lock) {
      return await makeTopicAnew(deps, id, partitions, lock).catch((error) => {
        throw kafkaError(error);
      });
    }
    await clock.sleep(LOCK_PAUSE);
  }
  throw busy(id);
}

/** What is published after an integration is enabled must reach it: so ingress must have heard of it. */
async function untilReceiving({ db, clock }: ChangeDeps, { integration }: StoredIntegration): Promise<void> {
  const { id, generation } = integration;
  const end = clock.monotonic() + PATIENCE;
  while (!(await isPublished(db, id, generation))) {
    if (clock.monotonic() > end) {
      const text = `integration ${id} is enabled, but Kafka does not know yet: it receives messages when Kafka is back`;
      throw failed(Code.UNAVAILABLE, 'NOT_PUBLISHED', text);
    }
    await clock.sleep(LOCK_PAUSE);
  }
  await clock.sleep(SETTLE);
}

const busy = (id: string) =>
  failed(
    Code.UNAVAILABLE,
    'TOPIC_BEING_DELETED',
    `the message topic of integration ${id} is being deleted, as it was disabled for long: try again`,
  );
