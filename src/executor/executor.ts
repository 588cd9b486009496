import type { Bus } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';
import type { KeyRing } from '../contract/sealed-secrets.ts';
import { ByteLimit } from '../runtime/byte-limit.ts';
import type { Clock } from '../runtime/clock.ts';
import { DeadlineError, withDeadline } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { NameResolver } from '../runtime/name-resolver.ts';
import type { Condition } from '../runtime/readiness.ts';
import { createTargetGuard } from '../runtime/target-guard.ts';
import { untilAborted } from '../runtime/until-aborted.ts';
import { answerChecks } from './checks.ts';
import { executorConditions } from './conditions.ts';
import type { ExecutorConfig } from './config.ts';
import { BUILT_TYPES } from './handlers/registry.ts';
import { Manager } from './lifecycle/manager.ts';
import { Restore } from './lifecycle/restore.ts';
import { Reporter } from './uplink/reporter.ts';

/** How long a stop waits for the last reports. */
const REPORT_GRACE = 2000;
const RESTORE_DEADLINE = 60_000;

export interface ExecutorDeps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly resolver: NameResolver;
  /** The keys of secrets, as they are now. */
  secretKeys(): KeyRing;
  /** When this node was started; wall-clock time in milliseconds. */
  readonly startTime: number;
  random(): number;
  /** Told at once: what it needs to deliver. */
  begun(part: { readonly conditions: readonly Condition[] }): void;
}

/**
 * Starts an executor: restores its share of the integrations, answers checks, delivers. Resolves when everything is
 * restored that Kafka gives within a minute; disposing stops it gracefully. Waits for the topics when the control plane has
 * not made them yet.
 */
export async function startExecutor(
  config: ExecutorConfig,
  deps: ExecutorDeps,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const { serviceId } = config;
  await using stack = new AsyncDisposableStack();
  const reporter = new Reporter({ ...deps, serviceId });
  stack.defer(() => reporter.stop(REPORT_GRACE));
  // Each integration its own, with its own share of what is looked up.
  const newGuard = () => createTargetGuard(config.allowsLocalTargets, deps.resolver.share());
  const membership = () => restore.membership;
  const inFlightBytes = new ByteLimit(config.maxBytesOfAll);
  const manager = new Manager({ ...deps, config, reporter, newGuard, inFlightBytes, membership });
  stack.defer(() => manager.stop());
  const types = config.types.filter((type) => BUILT_TYPES.includes(type));
  const restore: Restore = new Restore(types, { ...deps, manager });
  deps.begun({ conditions: executorConditions(restore) });
  const checks = answerChecks(types, { ...deps, config, newGuard }, signal);
  stack.defer(async () => {
    await Promise.all([restore, checks].map((group) => group[Symbol.asyncDispose]()));
  });
  await untilAborted(checks.joined, signal);
  await restored(restore, deps, signal);
  // First of all, before the group is left: who takes over must not begin while messages are still on their way here.
  stack.defer(() => manager.stop());
  deps.logger.info('executor is ready', { serviceId, types: types.join() });
  return stack.move();
}

/** A partition that cannot be read is no reason to leave all others alone: it is restored when it can. */
async function restored(
  restore: Restore,
  { clock, logger }: ExecutorDeps,
  signal: AbortSignal,
): Promise<void> {
  try {
    await withDeadline(clock, RESTORE_DEADLINE, 'restoring the integrations', restore.restored(), signal);
  } catch (error) {
    const { unread } = restore;
    if (!(error instanceof DeadlineError) || unread.length === 0) throw error;
    logger.error('some integrations are not restored yet: their partitions cannot be read', {
      partitions: unread.join(),
    });
  }
}
