import { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction } from '../../../gen/penstock/v1/uplink_pb.ts';
import { type Backoff, backoffPause } from '../../runtime/backoff.ts';
import { Limit } from '../../runtime/limit.ts';
import { messageOf } from '../../runtime/logger.ts';
import { Instance, type InstanceDeps, NoMessagesError, type Wish } from './instance.ts';
import { ProgressWatch } from './progress-watch.ts';
import { NEVER_FAILED, type Start, type State, type Stop, stepOf } from './step.ts';

export type { Wish };

interface Entry {
  readonly integrationId: string;
  wish: Wish | undefined;
  state: State;
  /** Aborts what waits, when the wish changes: a pause before a start, a start that hangs. */
  changed: AbortController;
  /** The one worker that brings the entry to its wish, while it is at it. */
  settling: Promise<void> | undefined;
}

const newEntry = (integrationId: string): Entry => ({
  integrationId,
  wish: undefined,
  state: { kind: 'none' },
  changed: new AbortController(),
  settling: undefined,
});

/** The same one counts as well when its secrets could not be read: they may be sealed with another key now. */
function isNews(wish: Wish, known: Wish): boolean {
  const { generation } = known.integration;
  if (wish.integration.generation !== generation) return wish.integration.generation > generation;
  return known.sealed.length > 0;
}

/** What there is to say of one that runs. */
const noticeOf = ({ notice, suspicion }: Instance) => [notice, suspicion ?? ''].filter(Boolean).join('; ');

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
    if (wish && known?.wish && !isNews(wish, known.wish)) return;
    const entry = known ?? (wish && newEntry(wish.integration.id));
    if (!entry) return;
    this.#entries.set(key, entry);
    entry.wish = wish;
    entry.changed.abort(new Error('the wish changed'));
    entry.changed = new AbortController();
    this.#settleSoon(key, entry);
  }

  #settleSoon(key: string, entry: Entry): void {
    entry.settling ??= Promise.resolve().then(() => this.#settle(key, entry));
  }

  async #settle(key: string, entry: Entry): Promise<void> {
    for (let step = stepOf(entry); step; step = stepOf(entry)) {
      const { changed } = entry;
      if (step.kind === 'note') this.#note(entry.state, step.wish);
      else await this.#stop(entry, step);
      if (step.kind !== 'start') continue;
      try {
        await this.#start(key, entry, step, changed.signal);
      } catch (error) {
        if (!changed.signal.aborted) await this.#failed(entry, step.wish, error, changed.signal);
      }
    }
    entry.settling = undefined;
    if (!entry.wish) this.#forget(key, entry);
  }

  /** A change that the delivery does not see. */
  #note(state: State, wish: Wish): void {
    if (state.kind !== 'running') return;
    const { instance, watch } = state;
    instance.generation = wish.integration.generation;
    state.wish = wish;
    const stalled = watch.stalledReason;
    const is = stalled === undefined ? IntegrationState.ACTIVE : IntegrationState.FAILED;
    this.#report(wish, LifecycleAction.UPDATED, true, is, stalled ?? noticeOf(instance));
  }

  async #start(
    key: string,
    entry: Entry,
    { wish, action, reason }: Start,
    signal: AbortSignal,
  ): Promise<void> {
    const instance = await this.#starts.run(() => Instance.start(wish, this.#deps, signal), signal);
    const why = [reason, instance.notice].filter((text) => text !== '').join('; ');
    this.#report(wish, action, true, IntegrationState.ACTIVE, why);
    const watch = this.#watch(key, entry, instance);
    // What could be read stays so, whatever becomes of the keys.
    const readWish = { ...wish, integration: instance.integration, sealed: [] };
    if (entry.wish === wish) entry.wish = readWish;
    entry.state = { kind: 'running', instance, wish: readWish, watch, renewal: undefined };
  }

  /** Tells of a start that failed, and waits as long as the next one is to wait. */
  async #failed(entry: Entry, wish: Wish, error: unknown, signal: AbortSignal): Promise<void> {
    const { restart } = this.#deps.config;
    const before = entry.state.kind === 'down' ? entry.state : NEVER_FAILED;
    const isKafkas = error instanceof NoMessagesError;
    const hasToldOf = isKafkas && before.isKafkas && before.told === wish;
    if (!hasToldOf) this.#reportFailure(wish, error);
    const failures = before.failures + (isKafkas ? 0 : 1);
    const waits = isKafkas ? before.waits + 1 : 0;
    const isFinal = !isKafkas && !restart.enabled;
    entry.state = { kind: 'down', told: wish, failures, waits, isKafkas, isFinal };
    if (isKafkas) await this.#pause(KAFKA_RETRY, waits, signal);
    else if (!isFinal) await this.#pause({ initial: FIRST_PAUSE, max: restart.maxPause }, failures, signal);
  }

  /** Tells when the instance makes no progress, and starts it anew when no messages come to it any more. */
  #watch(key: string, entry: Entry, instance: Instance): ProgressWatch {
    const { ACTIVE, FAILED } = IntegrationState;
    const { RESUMED, STALLED, SUSPECTED } = LifecycleAction;
    const running = () =>
      entry.state.kind === 'running' && entry.state.instance === instance ? entry.state : undefined;
    const tell = (action: LifecycleAction, state: IntegrationState, reason: string) => {
      const { wish } = running() ?? {};
      if (wish) this.#report(wish, action, state === ACTIVE, state, reason);
    };
    const findings = {
      stalled: (reason: string) => tell(STALLED, FAILED, reason),
      resumed: () => tell(RESUMED, ACTIVE, noticeOf(instance)),
      suspected: (reason: string | undefined) =>
        tell(reason === undefined ? RESUMED : SUSPECTED, ACTIVE, noticeOf(instance)),
      silent: (reason: string) => {
        tell(STALLED, FAILED, reason);
        const state = running();
        if (state) state.renewal = reason;
        this.#settleSoon(key, entry);
      },
    };
    return new ProgressWatch(instance, this.#deps.config.progressTimeout, findings, this.#deps);
  }

  /** Stops what runs; what was told of it is taken back, unless it is started next. */
  async #stop(entry: Entry, step: Stop | Start): Promise<void> {
    const { state } = entry;
    if (state.kind === 'running') {
      entry.state = { ...NEVER_FAILED, told: state.wish };
      state.watch[Symbol.dispose]();
      try {
        await state.instance[Symbol.asyncDispose]();
      } catch (error) {
        this.#deps.logger.error('an integration did not stop cleanly', { error: messageOf(error) });
      }
    }
    if (step.kind === 'start') return;
    const { told } = entry.state.kind === 'down' ? entry.state : NEVER_FAILED;
    entry.state = { kind: 'none' };
    if (step.wish)
      this.#report(step.wish, LifecycleAction.STOPPED, true, IntegrationState.DISABLED, 'disabled');
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
    await Promise.all(keys.map((key) => this.#entries.get(key)?.settling));
  }

  /** Stops everything that runs; nothing starts any more. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the executor stops'));
    await this.drop([...this.#entries.keys()]);
  }
}
