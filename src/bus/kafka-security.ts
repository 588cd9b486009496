import type { KafkaLogin } from '../kafkajs/login.ts';
import { followCertificates } from '../runtime/certificate-files.ts';
import type { NamedFile } from '../runtime/followed-files.ts';
import type { KafkaSecuritySettings } from '../runtime/kafka-security-settings.ts';
import type { Logger } from '../runtime/logger.ts';
import { followSecret } from '../runtime/secret-file.ts';
import { isThisMachine } from '../runtime/this-machine.ts';
import { UserError } from '../runtime/user-error.ts';
import type { KafkaConfig } from './kafka/client.ts';

type Name = keyof KafkaSecuritySettings;

const MECHANISMS = {
  NONE: undefined,
  PLAIN: 'plain',
  'SCRAM-SHA-256': 'scram-sha-256',
  'SCRAM-SHA-512': 'scram-sha-512',
} as const;
const CERTIFICATES = {
  ca: 'PENSTOCK_KAFKA_TLS_CA_FILE',
  cert: 'PENSTOCK_KAFKA_TLS_CERT_FILE',
  key: 'PENSTOCK_KAFKA_TLS_KEY_FILE',
} as const;

/**
 * How connections to Kafka are secured, by the settings.
 * @throws UserError when settings contradict each other, or name files that cannot be used
 */
export function kafkaSecurity(
  settings: KafkaSecuritySettings,
  logger: Logger,
): Pick<KafkaConfig, 'tls' | 'login'> {
  const problem = tlsContradiction(settings) ?? loginContradiction(settings);
  if (problem !== undefined) throw new UserError(problem);
  const file = (name: Name): NamedFile | undefined =>
    settings[name] ? { path: String(settings[name]), from: name } : undefined;
  const files = Object.entries(CERTIFICATES).flatMap(([kind, name]) => {
    const found = file(name);
    return found ? [[kind, found] as const] : [];
  });
  const tls = settings.PENSTOCK_KAFKA_TLS ? followCertificates(Object.fromEntries(files), logger) : undefined;
  const login = loginOf(settings, file('PENSTOCK_KAFKA_SASL_PASSWORD_FILE'), logger);
  return { ...(tls && { tls }), ...(login && { login }) };
}

/** What to warn of: a password that whoever is between Penstock and Kafka can read. */
export function kafkaSecurityWarning(
  { PENSTOCK_KAFKA_TLS, PENSTOCK_KAFKA_SASL_MECHANISM }: KafkaSecuritySettings,
  brokers: readonly string[],
): string | undefined {
  if (PENSTOCK_KAFKA_TLS || PENSTOCK_KAFKA_SASL_MECHANISM !== 'PLAIN') return undefined;
  const far = brokers.find((broker) => !isThisMachine(broker.replace(/:\d*$/, '')));
  if (far === undefined) return undefined;
  return `the password for Kafka goes to ${far} in clear text: set PENSTOCK_KAFKA_TLS=true, or PENSTOCK_KAFKA_SASL_MECHANISM to SCRAM-SHA-512`;
}

function tlsContradiction(settings: KafkaSecuritySettings): string | undefined {
  const { ca, cert, key } = CERTIFICATES;
  const given = [ca, cert, key].find((name) => settings[name]);
  if (given && !settings.PENSTOCK_KAFKA_TLS) {
    return `${given} is set, but not PENSTOCK_KAFKA_TLS: set that to true, or unset ${given}`;
  }
  const [there, missing] = settings[cert] ? [cert, key] : [key, cert];
  if (settings[there] && !settings[missing]) return `${there} is set, but not ${missing}: set both, or none`;
  return undefined;
}

function loginContradiction(settings: KafkaSecuritySettings): string | undefined {
  const mechanism = 'PENSTOCK_KAFKA_SASL_MECHANISM';
  const username = 'PENSTOCK_KAFKA_SASL_USERNAME';
  const password = 'PENSTOCK_KAFKA_SASL_PASSWORD';
  const file = 'PENSTOCK_KAFKA_SASL_PASSWORD_FILE';
  const given = [username, password, file].find((name) => settings[name as Name]);
  if (settings[mechanism] === 'NONE') {
    return given && `${given} is set, but not ${mechanism}: set that to PLAIN or SCRAM-SHA-512`;
  }
  if (!settings[username]) return `${mechanism} is set, but not ${username}: set both, or none`;
  if (settings[password] && settings[file]) return `${password} and ${file} are both set: unset one of them`;
  if (settings[password] || settings[file]) return undefined;
  return `${username} is set, but no password: set ${file} or ${password}`;
}

function loginOf(
  settings: KafkaSecuritySettings,
  file: NamedFile | undefined,
  logger: Logger,
): KafkaLogin | undefined {
  const mechanism = MECHANISMS[settings.PENSTOCK_KAFKA_SASL_MECHANISM];
  if (!mechanism) return undefined;
  const username = settings.PENSTOCK_KAFKA_SASL_USERNAME;
  if (!file) return { mechanism, username, password: settings.PENSTOCK_KAFKA_SASL_PASSWORD };
  const followed = followSecret(file, logger);
  return {
    mechanism,
    username,
    get password() {
      return followed.current();
    },
  };
}
