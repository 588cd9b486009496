import { boolean, choice, type Setting, text } from './setting.ts';

/** How Penstock's own connections to Kafka are secured. */
export const KAFKA_SECURITY_SETTINGS = {
  PENSTOCK_KAFKA_TLS: boolean(
    false,
    'Whether Kafka is spoken to over TLS. Its certificates and the names in them are checked, always.',
  ),
  PENSTOCK_KAFKA_TLS_CA_FILE: text(
    '',
    'The file, in PEM, of the authorities that certificates of Kafka are trusted by; unset: those of the system.',
  ),
  PENSTOCK_KAFKA_TLS_CERT_FILE: text('', 'The file, in PEM, of the certificate to show Kafka.'),
  PENSTOCK_KAFKA_TLS_KEY_FILE: text('', 'The file, in PEM, of the private key of that certificate.'),
  PENSTOCK_KAFKA_SASL_MECHANISM: choice(
    'NONE',
    ['NONE', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    'How Penstock logs in to Kafka.',
  ),
  PENSTOCK_KAFKA_SASL_USERNAME: text('', 'As whom Penstock logs in to Kafka.'),
  PENSTOCK_KAFKA_SASL_PASSWORD: text('', 'The password of that user.', { secret: true }),
  PENSTOCK_KAFKA_SASL_PASSWORD_FILE: text(
    '',
    'The file with the password, instead of the password itself; a line break at its end does not count.',
  ),
} satisfies Record<string, Setting<unknown>>;

type Table = typeof KAFKA_SECURITY_SETTINGS;
export type KafkaSecuritySettings = { readonly [N in keyof Table]: ReturnType<Table[N]['read']> };

/** Which of these settings are not as they are by default. */
export const kafkaSecuritySet = (settings: KafkaSecuritySettings): readonly (keyof Table)[] =>
  (Object.keys(KAFKA_SECURITY_SETTINGS) as (keyof Table)[]).filter(
    (name) => settings[name] !== KAFKA_SECURITY_SETTINGS[name].default,
  );
