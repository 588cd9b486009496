import type { SealedSecret } from '../../../gen/penstock/v1/downlink_pb.ts';
import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Bus, Claim, Membership } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { fingerprint } from '../../contract/fingerprint.ts';
import { typeOf } from '../../contract/integration-type.ts';
import { withinLimits } from '../../contract/limits.ts';
import { missingRule } from '../../contract/template.ts';
import { uuidOfName } from '../../contract/uuid.ts';
import type { ByteLimit } from '../../runtime/byte-limit.ts';
import type { Clock } from '../../runtime/clock.ts';
import { timeoutSignal, withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { TargetGuard } from '../../runtime/target-guard.ts';
import type { ExecutorConfig } from '../config.ts';
import { DeadLetters } from '../delivery/dead-letters.ts';
import { Delivery } from '../delivery/delivery.ts';
import { Intake } from '../delivery/intake.ts';
import { resolvePolicy } from '../delivery/policy.ts';
import { Statistics } from '../delivery/statistics.ts';
import { Window } from '../delivery/window.ts';
import type { Handler } from '../handlers/handler.ts';
import { handlerTypeOf } from '../handlers/registry.ts';
import { readable, requireReadable, type SecretDeps } from '../secrets/readable.ts';
import { ErrorReports } from '../uplink/error-reports.ts';
import type { Reporter, Subject } from '../uplink/reporter.ts';
import { reportFigures } from './report-figures.ts';
import type { Progress } from './watchdog.ts';

/** The part of an integration that one executor runs. */
export interface Wish {
  /** With its secrets. */
  readonly integration: Integration;
  /** Secrets that there was no key for when it came; there may be one when it starts. */
  readonly sealed: readonly SealedSecret[];
  readonly shard: number;
  /** Which of the integration's message topics it is; see `DownlinkRecord`. */
  readonly topicIncarnation: number;
  /** What gives this executor the right to it. */
  readonly claim: Claim;
}

/** How long a stop waits for what is on its way. */
const STOP_GRACE = 5000;

export interface InstanceDeps extends Pick<SecretDeps, 'secretKeys'> {
  readonly config: ExecutorConfig;
  readonly bus: Bus;
  readonly topics: Topics;
  /** What the deliveries of all integrations have in memory. */
  readonly inFlightBytes: ByteLimit;
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The group in which offsets are committed. */
  membership(): Membership;
  /** For one integration. */
  newGuard(): TargetGuard;
  /** Aborts when the process stops, and is about to leave that group. */
  readonly leaving: AbortSignal;
  random(): number;
}

/** Kafka did not give the integration its messages: neither its configuration nor its external system is to blame. */
export class NoMessagesError extends Error {
  override readonly name = 'NoMessagesError';
}

/** One integration running on this executor: its handler, its delivery, and what feeds it. */
export class Instance implements AsyncDisposable {
  /** With its secrets. */
  readonly integration: Integration;
  readonly fingerprint: string;
  /** Grows without a restart when a change does not touch the delivery. */
  generation: bigint;
  /** What it does otherwise than it is told, for people; empty: nothing. */
  readonly notice: string;
  readonly #delivery: Delivery;
  readonly #intake: Intake;
  readonly #statistics: Statistics;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    integration: Integration,
    lowered: readonly string[],
    delivery: Delivery,
    intake: Intake,
    statistics: Statistics,
    stack: AsyncDisposableStack,
  ) {
    this.integration = integration;
    this.fingerprint = fingerprint(integration);
    this.generation = integration.generation;
    this.notice = lowered.join('; ');
    this.#delivery = delivery;
    this.#intake = intake;
    this.#statistics = statistics;
    this.#stack = stack;
  }

  /**
   * Connects and begins to deliver. Rejects with the reason when it cannot, leaving nothing behind.
   * @throws NoMessagesError when the reason is Kafka's
   */
  static async start(wish: Wish, deps: InstanceDeps, signal: AbortSignal): Promise<Instance> {
    const { config, clock } = deps;
    const { shard, topicIncarnation, claim } = wish;
    const { secretSources } = config;
    const secrets = await readable(wish, { ...deps, secretSources }, signal);
    requireReadable(secrets);
    const { integration, lowered } = withinLimits(secrets.integration, config.limits);
    const { id } = integration;
    const type = handlerTypeOf(integration);
    if (!type) throw new Error('this executor has no handler for the type: upgrade it');
    const policy = resolvePolicy(integration.delivery, config.policy);
    const shards = integration.delivery?.maxExecutors ?? 1;
    const handler = type.create({
      integrationId: id,
      integrationName: integration.name,
      metadata: integration.metadata,
      serviceId: config.serviceId,
      shard,
      shards,
      topicIncarnation,
      maxInFlight: policy.maxInFlight,
      maxConnections: config.limits.PENSTOCK_LIMIT_CONNECTIONS,
      maxRetryAfter: config.maxRetryAfter,
      guard: deps.newGuard(),
      missing: missingRule(integration.templates),
      uuidOfName,
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
    const statistics = stack.use(new Statistics({ id, type: typeOf(integration) }, { ...deps, errors }));
    const deadLetters = new DeadLetters(id, generation, { ...deps, serviceId: config.serviceId });
    const delivery = new Delivery({
      ...deps,
      window: new Window(policy, deps.inFlightBytes),
      handler,
      pack: type.pack(),
      policy,
      events: statistics,
      deadLetter: (message, failure, aborted) => deadLetters.keep(message, failure, aborted),
      holdsLease: () => claim.isHeld(),
    });
    const share = {
      topic: deps.topics.messages(id).name,
      shard,
      shards,
      spread: `${typeOf(integration)}/${shards}`,
    };
    const membership = deps.membership();
    const intake = new Intake(share, { ...deps, membership, claim, delivery, events: statistics });
    stack.defer(reportFigures(statistics, delivery, intake, subject, deps));
    stack.use(intake);
    // Without the lease nothing can be committed, and another executor may be at it.
    stack.defer(() => delivery.stop(claim.isHeld() ? STOP_GRACE : 0));
    await intake.start(signal).catch((cause) => {
      throw new NoMessagesError(`Kafka does not give its messages: ${messageOf(cause)}`, { cause });
    });
    instance = new Instance(secrets.opened, lowered, delivery, intake, statistics, stack.move());
    return instance;
  }

  get progress(): Progress {
    const { taken, settled } = this.#statistics;
    return { taken, settled, inFlight: this.#delivery.window.size };
  }

  get lastFailure(): string {
    return this.#statistics.lastFailure;
  }

  get suspicion(): string | undefined {
    return this.#delivery.suspicion;
  }

  get lag(): number {
    return this.#intake.lag;
  }

  /** How many messages Kafka has that were not taken yet. Rejects when Kafka does not tell. */
  backlog(): Promise<number> {
    return this.#intake.backlog();
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
