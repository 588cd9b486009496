import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { TYPES, type Type } from '../contract/integration-type.ts';
import type { Limits } from '../contract/limits.ts';
import { environmentVariable, SETTINGS, type SettingName, type Settings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';
import type { Policy } from './delivery/policy.ts';
import { isBelow, type SecretSources } from './secrets/references.ts';

/** What an executor needs to know. Times in milliseconds. */
export interface ExecutorConfig {
  readonly serviceId: string;
  readonly types: readonly Type[];
  readonly kafkaPrefix: string;
  readonly policy: Policy;
  /** What integrations may ask for; what is stored beyond it is lowered. */
  readonly limits: Limits;
  /** The longest pause that an external system is granted which asks for one. */
  readonly maxRetryAfter: number;
  /** Of messages of all integrations in memory. */
  readonly maxBytesOfAll: number;
  readonly startTimeout: number;
  readonly restart: { readonly enabled: boolean; readonly maxPause: number };
  readonly errorReportsPerMinute: number;
  readonly statisticsInterval: number;
  /** How long messages of an integration may wait without one being acknowledged. */
  readonly progressTimeout: number;
  /** Whether integrations may connect to this machine and to private networks. */
  readonly allowsLocalTargets: boolean;
  /** Where integrations may refer to instead of holding a secret. */
  readonly secretSources: SecretSources;
}

export function executorConfig(settings: Settings): ExecutorConfig {
  return {
    serviceId: settings.TB_SERVICE_ID,
    types: typesOf(settings.TB_SERVICE_INTEGRATIONS_SUPPORTED, settings.TB_SERVICE_INTEGRATIONS_EXCLUDED),
    kafkaPrefix: settings.PENSTOCK_KAFKA_PREFIX,
    policy: {
      strategy: settings.TB_IE_MSG_ACK_STRATEGY_TYPE,
      retries: settings.TB_IE_MSG_ACK_STRATEGY_RETRIES,
      pauseBetweenRetries: settings.TB_IE_MSG_ACK_STRATEGY_PAUSE_BETWEEN_RETRIES * 1000,
      maxPause: settings.PENSTOCK_MAX_PAUSE,
      packProcessingTimeout: settings.TB_IE_MSG_PACK_PROCESSING_TIMEOUT,
      maxInFlight: settings.PENSTOCK_MAX_IN_FLIGHT,
      maxInFlightBytes: settings.PENSTOCK_MAX_IN_FLIGHT_BYTES,
      deadLetter: true,
      maxHops: settings.PENSTOCK_MAX_HOPS,
    },
    limits: settings,
    maxRetryAfter: settings.PENSTOCK_MAX_RETRY_AFTER,
    maxBytesOfAll: settings.PENSTOCK_MAX_IN_FLIGHT_BYTES_OF_ALL,
    startTimeout: settings.INTEGRATIONS_INIT_CONNECTION_TIMEOUT_SEC * 1000,
    restart: {
      enabled: settings.INTEGRATIONS_REINIT_ENABLED,
      maxPause: settings.INTEGRATIONS_REINIT_FREQUENCY_MS,
    },
    errorReportsPerMinute: settings.EVENT_ERROR_RATE_LIMIT,
    statisticsInterval: settings.PENSTOCK_STATISTICS_INTERVAL,
    progressTimeout: settings.PENSTOCK_PROGRESS_TIMEOUT,
    allowsLocalTargets: settings.INTEGRATIONS_ALLOW_LOCAL_NETWORK_HOSTS,
    secretSources: secretSourcesOf(settings),
  };
}

/**
 * The types to serve: the supported ones (ALL, or names in any case) without the excluded ones (NONE, or names).
 * @throws UserError naming the setting that names an unknown type
 */
export function typesOf(supported: readonly string[], excluded: readonly string[]): readonly Type[] {
  const wanted = supported.includes('ALL') ? TYPES : named('TB_SERVICE_INTEGRATIONS_SUPPORTED', supported);
  const unwanted = excluded.includes('NONE') ? [] : named('TB_SERVICE_INTEGRATIONS_EXCLUDED', excluded);
  return TYPES.filter((type) => wanted.includes(type) && !unwanted.includes(type));
}

function named(setting: SettingName, names: readonly string[]): readonly Type[] {
  return names.map((name) => {
    const type = TYPES.find((one) => one.toLowerCase() === name.toLowerCase());
    if (type) return type;
    const known = TYPES.map((one) => one.toUpperCase()).join(', ');
    throw new UserError(`${setting}: there is no integration type ${name}: use ${known}`);
  });
}

/**
 * @throws UserError when integrations could refer to a setting, such as the password of PostgreSQL, or to the file of one,
 * such as that of the keys
 */
function secretSourcesOf(settings: Settings): SecretSources {
  const { PENSTOCK_SECRET_ENV_PREFIX: envPrefix, PENSTOCK_SECRET_FILES_DIR: filesDir } = settings;
  const setting = Object.keys(SETTINGS).find((name) => name.startsWith(envPrefix));
  if (setting !== undefined) {
    const text = `PENSTOCK_SECRET_ENV_PREFIX: ${setting} begins with ${envPrefix}, and is not for integrations: choose another prefix, such as INTEGRATION_SECRET_`;
    throw new UserError(text);
  }
  const file = filesDir === '' ? undefined : fileBelow(filesDir, settings);
  if (file !== undefined) {
    const text = `PENSTOCK_SECRET_FILES_DIR: the file of ${file} lies in ${filesDir}, and is not for integrations: choose a directory for their files alone, such as /run/secrets/integrations`;
    throw new UserError(text);
  }
  return { envPrefix, filesDir, variable: environmentVariable };
}

/** A setting that is a file which lies in the directory, whatever links lead there. */
function fileBelow(directory: string, settings: Settings): string | undefined {
  const real = realPathOf(directory);
  const files = Object.entries(settings).filter(([name, value]) => name.endsWith('_FILE') && value !== '');
  return files.find(([, path]) => isBelow(realPathOf(String(path)), real))?.[0];
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path); // that it is not there is told by whoever reads it
  }
}
