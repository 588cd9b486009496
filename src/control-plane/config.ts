import type { Limits } from '../contract/limits.ts';
import { isCookieSecure } from '../rpc/session-cookie.ts';
import type { Rate } from '../runtime/rate-limit.ts';
import type { Settings } from '../runtime/settings.ts';
import type { SessionTimes } from './store/sessions.ts';

/** What a control-plane node must be told. Durations are milliseconds. */
export interface ControlPlaneConfig {
  readonly serviceId: string;
  readonly postgresUrl: string;
  /** How long an executor has to answer a validation or a connection check. */
  readonly checkTimeout: number;
  /** How often one caller, and one address, may have connections checked. */
  readonly checkRate: Rate;
  /** What integrations may ask for. */
  readonly limits: Limits;
  /** How often executors report figures, when they are set as this node. */
  readonly statisticsInterval: number;
  /** How long after an integration its topics are deleted. */
  readonly topicDeletionDelay: number;
  /** How long audit records are kept. */
  readonly auditTtl: number;
  /** How long events are kept. */
  readonly eventsTtl: number;
  /** How long the history of figures is kept. */
  readonly statisticsTtl: number;
  /** How often dead letters are counted. */
  readonly deadLetterCountInterval: number;
  /** How often to look for integrations that are disabled for long. */
  readonly cleanupPeriod: number;
  /** For how long an integration is disabled before its message topic is deleted; 0 or less: never. */
  readonly cleanupTtl: number;
  /** How long what seems to belong to nobody is left alone. */
  readonly orphanDelay: number;
  /** How long sessions of browsers last. */
  readonly sessionTimes: SessionTimes;
  /** Whether browsers keep them for TLS alone. */
  readonly isCookieSecure: boolean;
}

export function controlPlaneConfig(settings: Settings): ControlPlaneConfig {
  return {
    serviceId: settings.TB_SERVICE_ID,
    postgresUrl: settings.PENSTOCK_POSTGRES_URL,
    checkTimeout: settings.INTEGRATIONS_CHECK_API_REQUEST_TIMEOUT_SEC * 1000,
    checkRate: {
      atOnce: settings.PENSTOCK_API_CHECKS_AT_ONCE,
      perMinute: settings.PENSTOCK_API_CHECKS_PER_MINUTE,
    },
    limits: settings,
    statisticsInterval: settings.PENSTOCK_STATISTICS_INTERVAL,
    topicDeletionDelay: settings.PENSTOCK_TOPIC_DELETION_DELAY,
    auditTtl: settings.PENSTOCK_AUDIT_TTL_SEC * 1000,
    eventsTtl: settings.PENSTOCK_EVENTS_TTL_SEC * 1000,
    statisticsTtl: settings.PENSTOCK_STATISTICS_TTL_SEC * 1000,
    deadLetterCountInterval: settings.PENSTOCK_DEAD_LETTERS_COUNT_INTERVAL,
    cleanupPeriod: settings.INTEGRATIONS_CLEANUP_PERIOD_SEC * 1000,
    cleanupTtl: settings.INTEGRATIONS_CLEANUP_TTL_SEC * 1000,
    orphanDelay: settings.PENSTOCK_ORPHAN_DELAY_SEC * 1000,
    sessionTimes: { idle: settings.PENSTOCK_SESSION_IDLE, lifetime: settings.PENSTOCK_SESSION_LIFETIME },
    isCookieSecure: isCookieSecure(settings),
  };
}
