import type { Bus } from '../../bus/bus.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { CheckDeps } from '../checks.ts';
import type { Database } from '../store/database.ts';
import type { Locks } from '../store/locks.ts';
import type { Watches } from '../watches.ts';

/** What the RPCs need. */
export interface RouteDeps extends CheckDeps {
  readonly db: Database;
  readonly locks: Locks;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly watches: Watches;
  /** Called after each commit that left downlink records to publish. */
  readonly wakeRelay: () => void;
  /** Called when a replay begins or ends by a call. */
  readonly wakeReplays: () => void;
}
