import type { SASLOptions } from 'kafkajs';

/** Who a client is to Kafka, by a password. */
export interface KafkaLogin {
  /** Of SASL. Unset: plain. */
  readonly mechanism?: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  /** Looked at with each login: it may change. */
  readonly password: string;
}

/** For kafkajs, which reads the password when it logs in. */
export const saslOf = (login: KafkaLogin): SASLOptions =>
  ({
    mechanism: login.mechanism ?? 'plain',
    username: login.username,
    get password() {
      return login.password;
    },
  }) as SASLOptions;
