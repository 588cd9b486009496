import type { AccessConfig } from '../../access/access.ts';
import type { Grants } from '../../access/grants.ts';
import type { Bus } from '../../bus/bus.ts';
import type { Limits } from '../../contract/limits.ts';
import type { KeyRing } from '../../contract/sealed-secrets.ts';
import type { AskedTogether } from '../../runtime/asked-together.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { RateLimit } from '../../runtime/rate-limit.ts';
import type { LogInDeps } from '../access/log-in.ts';
import type { Passwords } from '../access/passwords.ts';
import type { CheckDeps } from '../integrations/checks.ts';
import type { ChangeDeps } from '../integrations/save-change.ts';
import type { MessageFeeds } from '../messages/message-feeds.ts';
import type { RecentCluster } from '../status/recent-cluster.ts';
import type { WithReports } from '../store/integration-reports.ts';
import type { Locks } from '../store/locks.ts';
import type { Watches } from '../watches/watches.ts';

/** What the RPCs need. */
export interface RouteDeps extends CheckDeps, ChangeDeps {
  readonly bus: Bus;
  /** Integrations by their ids, with what is reported of them. */
  readonly integrations: AskedTogether<WithReports>;
  readonly limits: Limits;
  /** This node's name. */
  readonly serviceId: string;
  /** How often executors report figures, in milliseconds. */
  readonly statisticsInterval: number;
  /** How long events are kept, in milliseconds. */
  readonly eventsTtl: number;
  /** The API tokens by which this node lets callers in. Unset: it lets in whoever asks. */
  readonly grants?: Pick<Grants, 'put' | 'revoke'> | undefined;
  /** The keys of secrets, as they are now. */
  secretKeys(): KeyRing;
  /** Of connection checks. */
  readonly checks: RateLimit;
  readonly clock: Clock;
  readonly locks: Locks;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly recentCluster: RecentCluster;
  /** For how long figures are kept, in milliseconds. */
  readonly statisticsTtl: number;
  readonly watches: Watches;
  /** Called when a replay or a redrive begins or ends by a call. */
  readonly wakeJobs: () => void;
}

/** What those of them need that tell what is in message topics. */
export interface MessageLogDeps extends RouteDeps {
  readonly messageFeeds: MessageFeeds;
}

/** What those of them need by which people log in, and are managed. */
export interface LoginDeps extends LogInDeps {
  /** Who is let in. Unset: whoever asks. */
  readonly access?: AccessConfig | undefined;
  /** Whether browsers keep sessions for TLS alone. */
  readonly isCookieSecure: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly passwords: Passwords;
}
