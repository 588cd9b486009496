import { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction } from '../../../gen/penstock/v1/uplink_pb.ts';
import { fingerprint } from '../../contract/fingerprint.ts';
import { type Backoff, backoffPause } from '../../runtime/backoff.ts';
import { Limit } from '../../runtime/limit.ts';
import { messageOf } from '../../runtime/logger.ts';
import { Instance, type InstanceDeps, NoMessagesError, type Wish } from './instance.ts';
import { ProgressWatch } from './progress-watch.ts';

export type { Wish };

interface Entry {
  wish: Wish | undefined;
  integrationId: string;
  instance: Instance | undefined;
  /** Aborts what waits, when the wish changes: a pause before a start, a start that hangs. */
  changed: AbortController;
  /** What the instance runs. */
  running: Wish | undefined;
  /** What was last said to run here, or to fail to: a stop takes it back. */
  told: Wish | undefined;
  /** Watches the instance. */
  watch: ProgressWatch | undefined;
  /** Why the instance is to be started anew, although nothing has changed. */
  renewal: string | undefined;
  /** Whether the one worker that brings this entry to its wish is at it, and its end. */
  settling: boolean;
  settled: Promise<void>;
}

const newEntry = (integrationId: string): Entry => ({
  wish: undefined,
  integrationId,
  instance: undefined,
  changed: new AbortController(),
  running: undefined,
  told: undefined,
  watch: undefined,
  renewal: undefined,
  settling: false,
  settled: Promise.resolve(),
});

const FIRST_PAUSE = 1000;
/** Between starts that fail because of Kafka: when it is back, everything is to run soon. */
const KAFKA_RETRY = { initial: FIRST_PAUSE, max: 5000 };
/**
 * Integrations that start at a time: thousands at once would connect at once. Those behind them wait for a start no longer
 * than this, in milliseconds: one that hangs holds nobody up.
 */
const STARTS = 256;
const START_HOLD = 1000;

/**
 * Brings what runs to what is wanted, each integration by itself: the newest generation wins, one step at a time. A wish
 * that comes while a step is under way is seen when the step is done; a lost or repeated one does no harm.
 */
export class Manager {
  readonly #deps: InstanceDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #starts: Limit;
  readonly #stopping = new AbortController();

  constructor(deps: Omit<InstanceDeps, 'leaving'>) {
    this.#deps = { ...deps, leaving: this.#stopping.signal };
    this.#starts = new Limit(STARTS, START_HOLD, deps.clock);
  }

  /** Wants this to run; undefined: nothing. `key` names the downlink record. An older generation is ignored. */
  want(key: string, wish: Wish | undefined): void {
    if (wish && this.#stopping.signal.aborted) return;
    const known = this.#entries.get(key);
    if (wish && known?.wish && wish.integration.generation <= known.wish.integration.generation) return;
    const entry = known ?? (wish && newEntry(wish.integration.id));
    if (!entry) return;
    this.#entries.set(key, entry);
    entry.wish = wish;
    entry.changed.abort(new Error('the wish changed'));
    entry.changed = new AbortController();
    if (!entry.settling) entry.settled = this.#settle(key, entry);
  }

  async #settle(key: string, entry: Entry): Promise<void> {
    const { restart } = this.#deps.config;
    entry.settling = true;
    /** What is told to wait for Kafka, and tries since then. */
    let waiting: Wish | undefined;
    let waits = 0;
    for (let failures = 0; !this.#isAsWished(entry); ) {
      const { wish, changed } = entry;
      const { action, reason } = stepOf(entry, failures + waits);
      try {
        await this.#stop(entry, wish);
        if (wish?.integration.enabled) await this.#start(key, entry, wish, changed.signal, action, reason);
        failures = waits = 0;
      } catch (error) {
        if (changed.signal.aborted || !wish) continue;
        entry.told = wish;
        const isKafkas = error instanceof NoMessagesError;
        if (!isKafkas || wish !== waiting) this.#reportFailure(wish, error);
        waiting = isKafkas ? wish : undefined;
        if (isKafkas) await this.#pause(KAFKA_RETRY, ++waits, changed.signal);
        else if (!restart.enabled) break;
        else await this.#pause({ initial: FIRST_PAUSE, max: restart.maxPause }, ++failures, changed.signal);
      }
    }
    entry.settling = false;
    if (!entry.wish) this.#forget(key, entry);
  }

  #isAsWished(entry: Entry): boolean {
    const { wish, instance, running, renewal, told } = entry;
    if (!wish?.integration.enabled) return instance === undefined && told === undefined;
    if (running?.claim !== wish.claim || renewal !== undefined) return false;
    if (running.topicIncarnation !== wish.topicIncarnation) return false;
    if (instance?.fingerprint !== fingerprint(wish.integration)) return false;
    const { generation } = wish.integration;
    if (instance.generation < generation) {
      instance.generation = generation; // a change that the delivery does not see
      entry.running = entry.told = wish;
      const stalled = entry.watch?.stalledReason;
      const state = stalled === undefined ? IntegrationState.ACTIVE : IntegrationState.FAILED;
      this.#report(wish, LifecycleAction.UPDATED, true, state, stalled ?? instance.notice);
    }
    return true;
  }

  async #start(
    key: string,
    entry: Entry,
    wish: Wish,
    signal: AbortSignal,
    action: LifecycleAction,
    reason: string,
  ): Promise<void> {
    const start = () => Instance.start(wish, this.#deps, signal);
    entry.instance = await this.#starts.run(start, signal);
    entry.running = entry.told = wish;
    const { notice } = entry.instance;
    const why = [reason, notice].filter((text) => text !== '').join('; ');
    this.#report(wish, action, true, IntegrationState.ACTIVE, why);
    entry.watch = this.#watch(key, entry, entry.instance);
  }

  /** Tells when the instance makes no progress, and starts it anew when no messages come to it any more. */
  #watch(key: string, entry: Entry, instance: Instance): ProgressWatch {
    const { ACTIVE, FAILED } = IntegrationState;
    const { RESUMED, STALLED } = LifecycleAction;
    const tell = (action: LifecycleAction, state: IntegrationState, reason: string) => {
      if (entry.running) this.#report(entry.running, action, state === ACTIVE, state, reason);
    };
    const findings = {
      stalled: (reason: string) => tell(STALLED, FAILED, reason),
      resumed: () => tell(RESUMED, ACTIVE, instance.notice),
      silent: (reason: string) => {
        tell(STALLED, FAILED, reason);
        entry.renewal = reason;
        if (!entry.settling) entry.settled = this.#settle(key, entry);
      },
    };
    return new ProgressWatch(instance, this.#deps.config.progressTimeout, findings, this.#deps);
  }

  async #stop(entry: Entry, wish: Wish | undefined): Promise<void> {
    const { instance, told } = entry;
    entry.instance = undefined;
    entry.renewal = undefined;
    entry.watch?.[Symbol.dispose]();
    try {
      await instance?.[Symbol.asyncDispose]();
    } catch (error) {
      this.#deps.logger.error('an integration did not stop cleanly', { error: messageOf(error) });
    }
    if (wish?.integration.enabled) return; // it is started next
    entry.told = undefined;
    if (wish) this.#report(wish, LifecycleAction.STOPPED, true, IntegrationState.DISABLED, 'disabled');
    else if (told)
      this.#report(told, LifecycleAction.STOPPED, true, IntegrationState.PENDING, 'left this executor');
  }

  #reportFailure(wish: Wish, error: unknown): void {
    const { logger } = this.#deps;
    logger.error('an integration did not start', {
      integration: wish.integration.id,
      error: messageOf(error),
    });
    this.#report(wish, LifecycleAction.STARTED, false, IntegrationState.FAILED, messageOf(error));
  }

  #report(
    { integration, shard }: Wish,
    action: LifecycleAction,
    success: boolean,
    state: IntegrationState,
    reason: string,
  ): void {
    const { reporter, logger } = this.#deps;
    const { id: integrationId, generation } = integration;
    logger.info('lifecycle', {
      integration: integrationId,
      shard,
      generation: String(generation),
      success,
      reason,
    });
    reporter.lifecycle({ integrationId, shard, generation }, { action, success, state, reason });
  }

  /** The figures of an integration go with the last part of it that runs here. */
  #forget(key: string, { integrationId }: Entry): void {
    this.#entries.delete(key);
    for (const other of this.#entries.values()) if (other.integrationId === integrationId) return;
    this.#deps.metrics.integrations.forget(integrationId);
  }

  async #pause(backoff: Backoff, failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    await clock.sleep(backoffPause(backoff, failures, random()), signal).catch(() => {}); // a new wish ends it
  }

  /** Wants none of these any more; resolves when nothing of them runs. */
  async drop(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.want(key, undefined);
    await Promise.all(keys.map((key) => this.#entries.get(key)?.settled));
  }

  /** Stops everything that runs; nothing starts any more. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the executor stops'));
    await this.drop([...this.#entries.keys()]);
  }
}

/** What the next start of an entry is, and why it is made, for people. */
function stepOf({ wish, instance, running, renewal }: Entry, failures: number) {
  const { RESTARTED, STARTED, UPDATED } = LifecycleAction;
  if (!instance) return { action: STARTED, reason: failures > 0 ? 'started after failures' : '' };
  if (renewal !== undefined) return { action: RESTARTED, reason: renewal };
  const isRestart = (wish?.integration.restarts ?? 0n) > (running?.integration.restarts ?? 0n);
  return isRestart ? { action: RESTARTED, reason: 'restarted by a user' } : { action: UPDATED, reason: '' };
}
