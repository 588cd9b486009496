import type { AccessConfig, SessionCaller } from '../access/access.ts';
import type { Grants } from '../access/grants.ts';
import type { Oidc } from '../access/oidc.ts';
import { oidcLoginPages } from '../access/oidc-login.ts';
import type { Bus } from '../bus/bus.ts';
import { startRequester } from '../bus/request-reply.ts';
import type { Topics } from '../bus/topics.ts';
import { TYPES } from '../contract/integration-type.ts';
import type { KeyRing } from '../contract/sealed-secrets.ts';
import type { Caller } from '../rpc/caller.ts';
import type { Pages } from '../rpc/pages.ts';
import type { RpcService } from '../rpc/service.ts';
import { AskedTogether } from '../runtime/asked-together.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { NameResolver } from '../runtime/name-resolver.ts';
import { type Rate, RateLimit } from '../runtime/rate-limit.ts';
import type { Condition } from '../runtime/readiness.ts';
import type { Warnings } from '../runtime/warnings.ts';
import { LoginLimits } from './access/login-limits.ts';
import { Passwords } from './access/passwords.ts';
import { startPublishingAccess } from './access/publish-access.ts';
import { Sessions } from './access/sessions.ts';
import { AuditTrail } from './audit/audit-trail.ts';
import { type AuditDeps, audited } from './audit/audited.ts';
import {
  startAuditCleanup,
  startEventCleanup,
  startJobCleanup,
  startNodeCleanup,
  startRevisionCleanup,
  startStateCounting,
  startTokenCleanup,
  startTopicSweep,
} from './cleanup.ts';
import { controlPlaneConditions } from './conditions.ts';
import type { ControlPlaneConfig } from './config.ts';
import { DeadLetterCounts } from './dead-letters/dead-letter-counts.ts';
import { startRemovedSweep } from './dead-letters/removed-dead-letters.ts';
import { startFiguresUpkeep } from './figures/upkeep.ts';
import { startSecretWatch } from './integrations/secret-watch.ts';
import { Jobs } from './jobs/jobs.ts';
import { MessageFeeds } from './messages/message-feeds.ts';
import { startReconciler } from './outbox/reconciler.ts';
import { startRelay } from './outbox/relay.ts';
import { patiently } from './patiently.ts';
import { controlPlaneServices } from './services.ts';
import { RecentCluster } from './status/recent-cluster.ts';
import { startUplink } from './status/uplink.ts';
import { Database } from './store/database.ts';
import { findWithReports } from './store/integration-reports.ts';
import { Leadership } from './store/leadership.ts';
import { type Lock, Locks } from './store/locks.ts';
import { migrate } from './store/migrate.ts';
import { PostgresUrl } from './store/postgres-url.ts';
import { notificationsLock, startOrphanSweep } from './topics/orphans.ts';
import { startTopicCleanup, startWithdrawnSweep } from './topics/topic-cleanup.ts';
import { startTopicUpkeep } from './topics/topic-upkeep.ts';
import { Watches } from './watches/watches.ts';

/** How long PostgreSQL and Kafka may take to come up when this node starts, each. */
const PATIENCE = 60_000;
const LOCK_PAUSE = 100;
/** Audit records of one caller of what changed nothing. */
const REFUSALS: Rate = { atOnce: 300, perMinute: 60 };

export interface ControlPlaneDeps {
  /** Stays the caller's: it is not disposed with the control plane. */
  readonly bus: Bus;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly warnings: Warnings;
  readonly resolver: NameResolver;
  /** The keys of secrets, as they are now. */
  secretKeys(): KeyRing;
  readonly random: () => number;
  /** The API tokens by which this node lets callers in. Unset: it lets in whoever asks. */
  readonly grants?: Grants | undefined;
  /** Who else is let in. Unset: whoever asks. */
  readonly access?: AccessConfig | undefined;
  /** Unset: those with the work that is due to passwords. */
  readonly passwords?: Passwords;
  /** The OpenID Connect provider that people log in at. Unset: there is none. */
  readonly oidc?: Oidc | undefined;
}

export interface ControlPlane extends AsyncDisposable {
  readonly services: readonly RpcService[];
  /** Keeps who calls them to change something. */
  readonly audit: (service: RpcService) => RpcService;
  /** What the services rest on. */
  readonly conditions: readonly Condition[];
  readonly sessions: SessionCaller;
  /** By which people log in. */
  readonly pages: Pages;
}

/**
 * Resolves when the services can be called. Rejects with what to do when PostgreSQL or Kafka cannot be used; the signal
 * ends the waiting for them.
 */
export async function startControlPlane(
  config: ControlPlaneConfig,
  deps: ControlPlaneDeps,
  signal?: AbortSignal,
): Promise<ControlPlane> {
  const { bus, topics, logger } = deps;
  await using stack = new AsyncDisposableStack();
  const { warning } = new PostgresUrl(config.postgresUrl, deps);
  deps.warnings.set('postgres-security', warning);
  if (warning !== undefined) logger.warn(warning);
  await migrate(config.postgresUrl, PATIENCE, deps, signal);
  const db = stack.use(new Database(config.postgresUrl, deps));

  const locks = stack.use(new Locks(config.postgresUrl, deps));
  const notifications = topics.notifications(config.serviceId);
  await using coming = await comingUp(locks, notifications.name, deps.clock, signal);
  const shared = TYPES.flatMap((type) => [topics.downlink(type), topics.validation(type)]);
  await patiently({ name: 'Kafka', time: PATIENCE, signal }, deps, () =>
    bus.createTopics([...shared, topics.uplink, topics.access, notifications]),
  );

  const requester = stack.use(await startRequester({ ...deps, topic: notifications, signal }));
  await coming?.[Symbol.asyncDispose]();
  const leadership = stack.use(new Leadership(config.postgresUrl, deps));
  const outer = { ...deps, ...config, db, leadership, locks, requester };
  const relay = stack.use(startRelay(outer));
  const sessions = new Sessions(
    { ...outer, ...deps.access, issuer: deps.access?.oidc?.issuer },
    config.sessionTimes,
  );
  const passwords = deps.passwords ?? new Passwords(deps.clock);
  const logins = { passwords, sessions, loginLimits: new LoginLimits(deps.clock) };
  const ways = { ...deps.access, grants: deps.grants };
  const inner = { ...outer, ...logins, ways, wakeRelay: () => relay.wake() };
  stack.use(startUplink(inner));
  const sweeps = [
    startReconciler(inner, relay),
    startTopicSweep(inner),
    startTopicCleanup(inner),
    startWithdrawnSweep(inner),
    startOrphanSweep(inner),
    startEventCleanup(inner),
    startAuditCleanup(inner),
    startJobCleanup(inner),
    startRevisionCleanup(inner),
    startFiguresUpkeep(inner),
    startTokenCleanup(inner),
    startNodeCleanup(inner),
    startStateCounting(inner),
    startTopicUpkeep(inner),
    startRemovedSweep(inner),
    new DeadLetterCounts(inner),
    startPublishingAccess(inner),
    startSecretWatch(inner),
    sessions.startCleanup(inner),
  ];
  // At once: when Kafka hangs, several of them take their time.
  stack.defer(async () => {
    await Promise.all(sweeps.map((sweep) => sweep[Symbol.asyncDispose]()));
  });
  const jobs = stack.use(new Jobs(inner));

  const wakeJobs = () => jobs.wake();
  const checks = new RateLimit(config.checkRate, deps.clock);
  const watches = new Watches(inner);
  const recentCluster = new RecentCluster(db, deps.clock);
  const integrations = new AskedTogether((ids) => findWithReports(db, ids));
  const messageFeeds = new MessageFeeds(inner);
  const own = { checks, wakeJobs, watches, messageFeeds, recentCluster, integrations };
  const services = controlPlaneServices({ ...inner, ...own });
  const refusals = new RateLimit(REFUSALS, deps.clock);
  const audit = (service: RpcService) => audited(service, { ...inner, refusals });
  const owned = stack.move();
  const conditions = controlPlaneConditions(db, relay);
  return {
    services,
    audit,
    conditions,
    pages: oidcLoginPages({
      ...deps,
      isCookieSecure: config.isCookieSecure,
      startSession: (caller) => startAuditedSession(sessions, caller, inner),
    }),
    sessions: (session, address) => sessions.callerOf(session, address),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A session of who logged in at a provider, with its audit record. */
function startAuditedSession(
  sessions: Sessions,
  caller: Caller,
  deps: Pick<AuditDeps, 'serviceId' | 'clock'> & { db: Database },
) {
  const { serviceId, clock, db } = deps;
  const trail = new AuditTrail({ caller, method: '/login/oidc', serviceId, now: () => clock.now() });
  return db.transaction(async (queries) => {
    const started = await sessions.start(caller, queries);
    await trail.changed(queries, '', []);
    return started;
  });
}

/** Keeps others from taking the topic of a node away that was dead until now. */
async function comingUp(
  locks: Locks,
  topic: string,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<Lock | undefined> {
  const end = clock.monotonic() + PATIENCE;
  while (clock.monotonic() < end) {
    const lock = await locks.tryLock(notificationsLock(topic));
    if (lock) return lock;
    await clock.sleep(LOCK_PAUSE, signal);
  }
  return undefined; // another node of this name hangs in its start
}
