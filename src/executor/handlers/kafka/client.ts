import type { ConnectionOptions } from 'node:tls';
import { create } from '@bufbuild/protobuf';
import kafkajs, { type Kafka as KafkaClient } from 'kafkajs';
import { PemCredentialsSchema } from '../../../../gen/penstock/v1/credentials_pb.ts';
import type { KafkaConfiguration } from '../../../../gen/penstock/v1/kafka_pb.ts';
import { patchKafkajs } from '../../../kafkajs/patches.ts';
import type { HandlerContext } from '../handler.ts';
import { pemOptions } from '../tls.ts';
import type { KafkaOptions } from './options.ts';
import type { Authentication } from './sasl.ts';
import { bootstrapServer, type Sockets } from './sockets.ts';

const { Kafka, logLevel } = kafkajs;

const DEFAULT_CLIENT_ID_PREFIX = 'tbmq-ie-kafka-producer';
/** Before a broker ends a session, in milliseconds: by then there is a newer token than the session's. */
const REAUTHENTICATION = 1500;

interface Deps {
  readonly context: HandlerContext;
  readonly options: KafkaOptions;
  readonly authentication: Authentication;
  readonly sockets: Sockets;
}

/** A kafkajs client that connects through these sockets. Each bootstrap server is tried. */
export function createClient(config: KafkaConfiguration, deps: Deps): KafkaClient {
  const { context, options, authentication, sockets } = deps;
  const { clientIdPrefix, bootstrapServers } = config;
  patchKafkajs();
  const ssl = tlsOf(config, options);
  const { sasl } = authentication;
  const { retryPause: initialRetryTime, maxRetryPause: maxRetryTime } = options;
  return new Kafka({
    brokers: bootstrapServers.map(bootstrapServer),
    clientId: `${clientIdPrefix || DEFAULT_CLIENT_ID_PREFIX}-${context.integrationId}-${context.serviceId}`,
    // One at least: kafkajs gives up a connection that authenticates anew too soon, and makes another one.
    retry: { retries: Math.max(1, bootstrapServers.length - 1), initialRetryTime, maxRetryTime },
    connectionTimeout: options.connectTimeout + 1000, // the sockets' own comes first, and says more
    requestTimeout: options.requestTimeout,
    enforceRequestTimeout: true,
    reauthenticationThreshold: REAUTHENTICATION,
    socketFactory: sockets.open,
    logLevel: logLevel.NOTHING, // what fails is an outcome
    ...(ssl ? { ssl } : {}),
    ...(sasl ? { sasl } : {}),
  });
}

/** The TLS options of a configuration; undefined: it goes without. */
export function tlsOf(
  { tls }: Pick<KafkaConfiguration, 'tls'>,
  options: KafkaOptions,
): ConnectionOptions | undefined {
  if (!tls && !options.isTls) return undefined;
  const { verifiesHost, minTls, maxTls } = options;
  return {
    ...pemOptions(certificatesOf({ tls }, options)),
    minVersion: minTls,
    maxVersion: maxTls,
    ...(verifiesHost ? {} : { checkServerIdentity: () => undefined }),
  };
}

/** Authorities, certificate and key, wherever the configuration has them. */
export const certificatesOf = ({ tls }: Pick<KafkaConfiguration, 'tls'>, { caCert, cert }: KafkaOptions) =>
  create(PemCredentialsSchema, { ...tls, caCert: tls?.caCert || caCert, cert: tls?.cert || cert });
