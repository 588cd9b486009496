import type { Bus } from '../../bus/bus.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { CheckDeps } from '../checks.ts';
import type { Database } from '../store/database.ts';

/** What the RPCs of integrations and events need. */
export interface RouteDeps extends CheckDeps {
  readonly db: Database;
  readonly bus: Pick<Bus, 'createTopics'>;
  readonly clock: Clock;
  /** Called after each commit that left downlink records to publish. */
  readonly wakeRelay: () => void;
}
