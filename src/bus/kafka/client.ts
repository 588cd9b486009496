import kafkajs, { type Kafka as KafkaClient, type RetryOptions } from 'kafkajs';
import { patchKafkajs } from '../../kafkajs/patches.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { NameResolver } from '../../runtime/name-resolver.ts';
import { openSocket } from '../../runtime/open-socket.ts';

/** SASL PLAIN. */
export interface KafkaLogin {
  readonly username: string;
  readonly password: string;
}

export interface KafkaConfig {
  /** Bootstrap servers, each `host:port`. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** Unset: none is asked for. */
  readonly login?: KafkaLogin;
  /** Replicas of each topic; -1 = the cluster's default. */
  readonly replication: number;
  /** Of topics with more replicas than that, so many have what is acknowledged. Unset, or 0: as many as Kafka is set to. */
  readonly minInsyncReplicas?: number;
  /** How long a fetch of what is fed waits for records, in milliseconds; records do not wait for it. Unset: 500. */
  readonly fetchWait?: number;
}

interface Deps {
  readonly logger: Logger;
  readonly resolver: Pick<NameResolver, 'lookUp'>;
}

const { Kafka, logLevel } = kafkajs;
const KEEP_ALIVE = 60_000;

/** A few tries: the caller repeats its calls by itself until a deadline. */
const RETRY: RetryOptions = { retries: 4, initialRetryTime: 100, maxRetryTime: 1000 };

/** `retry` belongs here: on a producer or consumer it does not cover reconnecting. */
export function createClient(config: KafkaConfig, { logger, resolver: { lookUp } }: Deps): KafkaClient {
  patchKafkajs();
  return new Kafka({
    brokers: [...config.brokers],
    clientId: config.clientId,
    ...(config.login && { sasl: { mechanism: 'plain', ...config.login } }),
    retry: RETRY,
    connectionTimeout: 3000,
    requestTimeout: 10_000,
    enforceRequestTimeout: true,
    socketFactory: ({ host, port, onConnect }) => {
      const socket = openSocket({ host, port }, lookUp).setKeepAlive(true, KEEP_ALIVE);
      return socket.once('connect', onConnect);
    },
    logLevel: logLevel.WARN,
    // kafkajs calls passing conditions errors; what lasts is reported by the bus itself.
    logCreator: () => (entry) =>
      logger.debug(`kafkajs: ${entry.log.message}`, {
        namespace: entry.namespace,
        error: String(entry.log.error ?? ''),
      }),
  });
}
