import type { SecureContext } from 'node:tls';
import kafkajs, { type Kafka as KafkaClient, type RetryOptions } from 'kafkajs';
import { awaitConnection } from '../../kafkajs/await-connection.ts';
import { type KafkaLogin, saslOf } from '../../kafkajs/login.ts';
import { patchKafkajs } from '../../kafkajs/patches.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { NameResolver } from '../../runtime/name-resolver.ts';
import { openSocket } from '../../runtime/open-socket.ts';

export interface KafkaConfig {
  /** Bootstrap servers, each `host:port`. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** Who Penstock is to it. Unset: that is not asked. */
  readonly login?: KafkaLogin;
  /** What a new connection speaks TLS with. Unset: it goes without. */
  readonly tls?: () => SecureContext;
  /** Replicas of each topic; -1 = the cluster's default. */
  readonly replication: number;
  /** Of topics with more replicas than that, so many have what is acknowledged. Unset, or 0: as many as Kafka is set to. */
  readonly minInsyncReplicas?: number;
  /** How long a fetch of what is fed waits for records, in milliseconds; records do not wait for it. Unset: 500. */
  readonly fetchWait?: number;
}

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolver: Pick<NameResolver, 'lookUp'>;
}

const { Kafka, logLevel } = kafkajs;
const KEEP_ALIVE = 60_000;
/** From the opening of a socket until it can be used, with TLS, in milliseconds. */
const CONNECT_TIMEOUT = 3000;

/** A few tries: the caller repeats its calls by itself until a deadline. */
const RETRY: RetryOptions = { retries: 4, initialRetryTime: 100, maxRetryTime: 1000 };

/** `retry` belongs here: on a producer or consumer it does not cover reconnecting. */
export function createClient(config: KafkaConfig, deps: Deps): KafkaClient {
  const { clock, logger } = deps;
  const { login, tls } = config;
  patchKafkajs();
  return new Kafka({
    brokers: [...config.brokers],
    clientId: config.clientId,
    ...(login && { sasl: saslOf(login) }),
    retry: RETRY,
    connectionTimeout: CONNECT_TIMEOUT + 500, // the sockets' own comes first
    requestTimeout: 10_000,
    enforceRequestTimeout: true,
    socketFactory: ({ host, port, onConnect }) => {
      const target = { host, port, ...(tls && { tls: { secureContext: tls(), rejectUnauthorized: true } }) };
      const socket = openSocket(target, deps.resolver.lookUp).setKeepAlive(true, KEEP_ALIVE);
      awaitConnection(socket, target, { clock, timeout: CONNECT_TIMEOUT, onConnect });
      return socket;
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
