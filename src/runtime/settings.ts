import { hostname } from 'node:os';
import { ACCESS_SETTINGS } from './access-settings.ts';
import { API_SETTINGS } from './api-settings.ts';
import { CALL_SETTINGS } from './call-settings.ts';
import { HTTP_SETTINGS } from './http-settings.ts';
import { KAFKA_SECURITY_SETTINGS } from './kafka-security-settings.ts';
import { LIMIT_SETTINGS } from './limit-settings.ts';
import { LISTEN_SETTINGS } from './listen-settings.ts';
import { MQTT_SETTINGS } from './mqtt-settings.ts';
import { OIDC_SETTINGS } from './oidc-settings.ts';
import { SECRET_SETTINGS } from './secret-settings.ts';
import { SESSION_SETTINGS } from './session-settings.ts';
import { addresses, boolean, choice, integer, list, MS, type Setting, text } from './setting.ts';
import { STATISTICS_SETTINGS } from './statistics-settings.ts';
import { TLS_SETTINGS } from './tls-settings.ts';
import { UserError } from './user-error.ts';

/** Every setting, by the name of its environment variable. Printed by `penstock settings`. */
export const SETTINGS = {
  TB_SERVICE_TYPE: choice(
    'tbmq',
    ['tbmq', 'tbmq-integration-executor'],
    'The role of `penstock start`: tbmq = control plane and ingress, tbmq-integration-executor = executor.',
  ),
  TB_SERVICE_ID: text(hostname(), 'The name of this node; must differ from node to node.'),
  TB_SERVICE_INTEGRATIONS_SUPPORTED: list(
    ['ALL'],
    'The types an executor serves: ALL, or names such as HTTP,MQTT.',
  ),
  TB_SERVICE_INTEGRATIONS_EXCLUDED: list(['NONE'], 'The types an executor does not serve: NONE, or names.'),
  TB_KAFKA_SERVERS: list(
    ['localhost:9092'],
    'Bootstrap servers of the Kafka that carries messages and configuration.',
  ),
  TB_IE_MSG_POLL_INTERVAL: integer(
    1000,
    'The longest wait of a fetch from topics that have nothing new; a message ends it at once.',
    { ...MS, max: 5000 },
  ),
  TB_IE_MSG_PACK_PROCESSING_TIMEOUT: integer(30_000, 'The deadline of one attempt to deliver.', {
    ...MS,
    min: 10,
  }),
  TB_IE_MSG_ACK_STRATEGY_TYPE: choice(
    'SKIP_ALL',
    ['SKIP_ALL', 'RETRY_ALL'],
    'What becomes of a failed message: SKIP_ALL gives it up at once, RETRY_ALL tries again.',
  ),
  TB_IE_MSG_ACK_STRATEGY_RETRIES: integer(5, 'RETRY_ALL: how often; 0 = without end.'),
  TB_IE_MSG_ACK_STRATEGY_PAUSE_BETWEEN_RETRIES: integer(
    1,
    'RETRY_ALL: the pause before the first retry; it doubles.',
    {
      unit: 's',
      min: 1,
    },
  ),
  INTEGRATIONS_REINIT_ENABLED: boolean(true, 'Try again to start an integration whose start failed.'),
  INTEGRATIONS_REINIT_FREQUENCY_MS: integer(300_000, 'The longest pause between two tries to start.', MS),
  INTEGRATIONS_INIT_CONNECTION_TIMEOUT_SEC: integer(15, 'How long an integration may take to connect.', {
    unit: 's',
    min: 1,
  }),
  INTEGRATIONS_CHECK_API_REQUEST_TIMEOUT_SEC: integer(
    20,
    'How long to wait for an executor to validate or check.',
    {
      unit: 's',
      min: 1,
      max: 600,
    },
  ),
  INTEGRATIONS_CLEANUP_PERIOD_SEC: integer(
    10_800,
    'How often to look for integrations that are disabled for long.',
    {
      unit: 's',
      min: 1,
      max: 2_147_483,
    },
  ),
  INTEGRATIONS_CLEANUP_TTL_SEC: integer(
    604_800,
    'How long an integration is disabled before its message topic is deleted, with what is in it; 0 or less = never.',
    {
      unit: 's',
      min: Number.MIN_SAFE_INTEGER,
      max: 3_155_760_000,
    },
  ),
  INTEGRATIONS_ALLOW_LOCAL_NETWORK_HOSTS: boolean(
    true,
    'Whether integrations may connect to this machine and to private networks. Cloud metadata is refused always.',
  ),
  EVENT_ERROR_RATE_LIMIT: integer(100, 'Error events an executor sends for one integration in a minute.', {
    min: 1,
  }),
  PENSTOCK_EVENTS_TTL_SEC: integer(604_800, 'How long events are kept, or a little longer.', {
    unit: 's',
    min: 60,
  }),
  ...STATISTICS_SETTINGS,
  PENSTOCK_PROGRESS_TIMEOUT: integer(
    60_000,
    'How long messages of an integration may wait without one being acknowledged, until the integration is FAILED.',
    { ...MS, min: 1000 },
  ),
  PENSTOCK_MAX_IN_FLIGHT: integer(64, 'Messages of one integration on their way at a time.', {
    min: 1,
    max: 100_000,
  }),
  PENSTOCK_MAX_IN_FLIGHT_BYTES: integer(
    16_777_216,
    'Bytes of one integration on their way, or waiting for those before them, at a time.',
    {
      unit: 'bytes',
      min: 1_048_576,
    },
  ),
  PENSTOCK_MAX_IN_FLIGHT_BYTES_OF_ALL: integer(
    268_435_456,
    'Bytes of all integrations of an executor together. Beyond it, each gets no more than 64 messages or 256 KiB at a time.',
    { unit: 'bytes', min: 1_048_576 },
  ),
  PENSTOCK_MAX_HOPS: integer(
    8,
    'Integrations that a message may pass through before it is taken to go round in a loop and given up.',
    { min: 1, max: 255 },
  ),
  PENSTOCK_MAX_PAUSE: integer(60_000, 'RETRY_ALL: the longest pause between two tries.', MS),
  PENSTOCK_MAX_RETRY_AFTER: integer(
    3_600_000,
    'RETRY_ALL: the longest pause that the Retry-After of an HTTP endpoint is granted, also beyond PENSTOCK_MAX_PAUSE.',
    MS,
  ),
  ...LIMIT_SETTINGS,
  ...KAFKA_SECURITY_SETTINGS,
  ...SECRET_SETTINGS,
  PENSTOCK_POSTGRES_URL: text(
    'postgres://penstock@localhost:5432/penstock',
    'The PostgreSQL database of the control plane; with ?sslmode=verify-full, over TLS.',
    { secret: true },
  ),
  PENSTOCK_DNS_SERVERS: addresses(
    [],
    'The DNS servers that names are looked up with, each an IP address with or without a port; unset: those of /etc/resolv.conf.',
  ),
  PENSTOCK_KAFKA_PREFIX: text('penstock', 'What the names of topics and groups begin with.'),
  PENSTOCK_KAFKA_REPLICATION: integer(-1, "Replicas of each topic; -1 = the cluster's default.", {
    min: -1,
    max: 32,
  }),
  PENSTOCK_KAFKA_MIN_INSYNC_REPLICAS: integer(
    2,
    'Replicas that have what was acknowledged, of topics with more replicas than that and no such setting of their own; 0 = left to Kafka.',
    { min: 0, max: 32 },
  ),
  ...LISTEN_SETTINGS,
  ...HTTP_SETTINGS,
  ...TLS_SETTINGS,
  ...ACCESS_SETTINGS,
  ...OIDC_SETTINGS,
  ...SESSION_SETTINGS,
  ...API_SETTINGS,
  ...MQTT_SETTINGS,
  ...CALL_SETTINGS,
  PENSTOCK_DEAD_LETTERS_MAX_BYTES: integer(
    1_073_741_824,
    'Bytes of dead letters that Kafka keeps of an integration, about, and no longer than 30 days; of more, the oldest go. A topic that has a bound keeps it.',
    { unit: 'bytes', min: 134_217_728 },
  ),
  PENSTOCK_TOPIC_DELETION_DELAY: integer(
    15_000,
    'How long after an integration its topics are deleted, so that no ingress writes to them any more.',
    MS,
  ),
  PENSTOCK_ORPHAN_DELAY_SEC: integer(
    600,
    'How long a topic that belongs to no integration or node any more is left alone before it is deleted.',
    {
      unit: 's',
      min: 1,
      max: 2_147_483,
    },
  ),
  PENSTOCK_LOG_LEVEL: choice('info', ['debug', 'info', 'warn', 'error'], 'The least level that is logged.'),
  PENSTOCK_DATA_DIR: text('.penstock', 'Where `penstock dev` keeps its Kafka and PostgreSQL.'),
} satisfies Record<string, Setting<unknown>>;

type Table = typeof SETTINGS;
export type SettingName = keyof Table;
export type Settings = { readonly [N in SettingName]: ReturnType<Table[N]['read']> };
type CallSettings = Pick<Settings, keyof typeof CALL_SETTINGS>;
type Environment = Readonly<Record<string, string | undefined>>;
type Given = Partial<Record<SettingName, string>>;

/** Whether the environment sets it. */
export const isGiven = (name: SettingName): boolean => (process.env[name] ?? '') !== '';

/** A variable of the environment that is no setting: where a secret may be that an integration refers to. */
export const environmentVariable = (name: string): string | undefined => process.env[name];

/** Settings that cannot be read: every one of them, with what would be right. */
export class SettingsError extends UserError {
  override readonly name = 'SettingsError';
}

/**
 * Reads every setting: from `given` (command-line options) first, then from the environment.
 * @throws SettingsError naming every setting that is wrong
 */
export function readSettings(given: Given = {}, environment: Environment = process.env): Settings {
  return readTable(SETTINGS, given, environment) as Settings;
}

/** The same for what calls an API: of a server's settings none has to be right for it. */
export function readCallSettings(given: Given = {}, environment: Environment = process.env): CallSettings {
  return readTable(CALL_SETTINGS, given, environment) as CallSettings;
}

function readTable(
  table: Readonly<Record<string, Setting<unknown>>>,
  given: Environment,
  environment: Environment,
): Readonly<Record<string, unknown>> {
  const problems: string[] = [];
  const read = (name: string, setting: Setting<unknown>): unknown => {
    const raw = given[name] ?? environment[name];
    if (raw === undefined || raw === '') return setting.default;
    try {
      return setting.read(raw);
    } catch (error) {
      problems.push(`${name}=${setting.secret ? '***' : raw}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const settings = Object.entries(table).map(([name, setting]) => [name, read(name, setting)]);
  if (problems.length > 0) throw new SettingsError(problems.join('\n'));
  return Object.fromEntries(settings);
}
