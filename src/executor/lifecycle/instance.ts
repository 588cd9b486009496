import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Bus } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { fingerprint } from '../../contract/fingerprint.ts';
import { missingRule } from '../../contract/template.ts';
import type { Clock } from '../../runtime/clock.ts';
import { timeoutSignal, withDeadline } from '../../runtime/deadline.ts';
import type { Limit } from '../../runtime/limit.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { TargetGuard } from '../../runtime/target-guard.ts';
import type { ExecutorConfig } from '../config.ts';
import { DeadLetters } from '../delivery/dead-letters.ts';
import { Delivery } from '../delivery/delivery.ts';
import { Intake } from '../delivery/intake.ts';
import { resolvePolicy } from '../delivery/policy.ts';
import { Statistics } from '../delivery/statistics.ts';
import type { Handler } from '../handlers/handler.ts';
import { handlerTypeOf } from '../handlers/registry.ts';
import { ErrorReports } from '../uplink/error-reports.ts';
import type { Reporter, Subject } from '../uplink/reporter.ts';
import { backlogOf } from './backlog.ts';
import type { Progress } from './watchdog.ts';

/** How long a stop waits for what is on its way. */
const STOP_GRACE = 5000;

export interface InstanceDeps {
  readonly config: ExecutorConfig;
  readonly bus: Bus;
  readonly topics: Topics;
  readonly guard: TargetGuard;
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Bounds how many integrations join their groups at a time: a thousand at once are more than a Kafka answers. */
  readonly joins: Limit;
  random(): number;
}

/** One integration running on this executor: its handler, its delivery, and what feeds it. */
export class Instance implements AsyncDisposable {
  readonly fingerprint: string;
  /** Grows without a restart when a change does not touch the delivery. */
  generation: bigint;
  readonly #delivery: Delivery;
  readonly #intake: Intake;
  readonly #statistics: Statistics;
  /** See `backlogOf`. */
  readonly backlog: () => Promise<number>;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    integration: Integration,
    delivery: Delivery,
    intake: Intake,
    statistics: Statistics,
    backlog: () => Promise<number>,
    stack: AsyncDisposableStack,
  ) {
    this.fingerprint = fingerprint(integration);
    this.generation = integration.generation;
    this.#delivery = delivery;
    this.#intake = intake;
    this.#statistics = statistics;
    this.backlog = backlog;
    this.#stack = stack;
  }

  /** Connects and begins to deliver. Rejects with the reason when it cannot, leaving nothing behind. */
  static async start(
    integration: Integration,
    shard: number,
    deps: InstanceDeps,
    signal: AbortSignal,
  ): Promise<Instance> {
    const { config, bus, topics, guard, clock, logger } = deps;
    const { id } = integration;
    const type = handlerTypeOf(integration);
    if (!type) throw new Error('this executor has no handler for the type: upgrade it');
    const policy = resolvePolicy(integration.delivery, config.policy);
    const handler = type.create({
      integrationId: id,
      integrationName: integration.name,
      metadata: integration.metadata,
      serviceId: config.serviceId,
      shard,
      shards: integration.delivery?.maxExecutors ?? 1,
      maxInFlight: policy.maxInFlight,
      guard,
      missing: missingRule(integration.templates),
      clock,
      random: deps.random,
    });
    await using stack = new AsyncDisposableStack();
    stack.use(handler);
    await connect(handler, deps, signal);

    let instance: Instance | undefined;
    const generation = () => instance?.generation ?? integration.generation;
    const subject = (): Subject => ({ integrationId: id, shard, generation: generation() });
    const errors = new ErrorReports(subject, config.errorReportsPerMinute, deps);
    stack.defer(() => errors.stop());
    const statistics = stack.use(new Statistics(id, { ...deps, errors }));
    const deadLetters = new DeadLetters(id, generation, { ...deps, serviceId: config.serviceId });
    const delivery = new Delivery({
      ...deps,
      handler,
      pack: type.pack(),
      policy,
      events: statistics,
      deadLetter: (message, failure, aborted) => deadLetters.keep(message, failure, aborted),
      holdsLease: () => intake.holdsLease,
    });
    const intake: Intake = new Intake(id, { bus, topics, delivery, events: statistics, clock, logger });
    stack.defer(reportFigures(statistics, delivery, intake, subject, deps));
    stack.use(intake);
    stack.defer(() => delivery.stop(STOP_GRACE));
    const groupId = topics.messageGroup(id);
    await deps.joins.run(() => intake.start(groupId, config.pollInterval, signal), signal);
    const backlog = () => backlogOf(bus, topics.messages(id).name, groupId, intake.owned);
    instance = new Instance(integration, delivery, intake, statistics, backlog, stack.move());
    return instance;
  }

  get progress(): Progress {
    const { taken, settled } = this.#statistics;
    return { taken, settled, inFlight: this.#delivery.window.size };
  }

  get lastFailure(): string {
    return this.#statistics.lastFailure;
  }

  get lag(): number {
    return this.#intake.lag;
  }

  /** Stops taking in, lets what is on its way end, commits, and releases every client. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack[Symbol.asyncDispose]();
  }
}

async function connect(
  handler: Handler,
  { config: { startTimeout }, clock }: InstanceDeps,
  signal: AbortSignal,
): Promise<void> {
  using deadline = timeoutSignal(clock, startTimeout, 'connecting', signal);
  await withDeadline(clock, startTimeout, 'connecting', handler.connect(deadline.signal));
}

/** Reports the figures each interval when they have changed, and a last time when the answer is called. */
function reportFigures(
  statistics: Statistics,
  delivery: Delivery,
  intake: Intake,
  subject: () => Subject,
  { config, reporter, clock, logger }: InstanceDeps,
): () => void {
  let last = '';
  const report = () => {
    const value = statistics.report(delivery.window, intake.lag);
    const { integrationId, generation } = subject();
    const { lastDeliveredTime: _, oldestAge, ...counts } = value;
    const figures = Object.entries(counts).map(([name, figure]) => [name, String(figure)]);
    const now = JSON.stringify([...figures, String(generation), String(oldestAge?.seconds)]);
    if (now === last) return;
    last = now;
    reporter.tell(subject(), { case: 'statistics', value });
    logger.info('statistics', { integration: integrationId, ...Object.fromEntries(figures) });
  };
  let cancel = () => {};
  let stopped = false;
  const tick = () => {
    cancel = clock.setTimer(() => {
      void intake.refreshLag().then(() => {
        if (stopped) return;
        report();
        tick();
      });
    }, config.statisticsInterval);
  };
  tick();
  return () => {
    stopped = true;
    cancel();
    report();
  };
}
