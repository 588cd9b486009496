import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { Kafka } from 'kafkajs';

const kafkajs = createRequire(import.meta.url);

/** A request as kafkajs sends it, and what reads the answer. */
export interface Exchange<T> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    /** False: nothing answers, and the exchange ends when it is written. Unset: true. */
    expectResponse?(): boolean;
    encode?(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
    /** Instead of `encode`: what is not copied on its way to the socket (request-parts.ts). */
    parts?(): readonly Buffer[];
  };
  readonly response: { decode(raw: Buffer): Promise<T>; parse(data: T): Promise<T> };
  /** Milliseconds; null: the client's own. */
  readonly requestTimeout?: number | null;
}

/** One of the two connections to a node: Kafka answers what comes on one connection one after the other. */
export type Line = 0 | 1;

export interface Connection {
  send<T>(exchange: Exchange<T>): Promise<T>;
  /** Unset: it was never connected. */
  readonly socket?: Socket;
}

/** kafkajs' client of one node, as far as it is used here. */
export interface Broker {
  readonly nodeId: number;
  readonly connectionPool: {
    readonly host: string;
    readonly port: number;
    readonly pool: readonly Connection[];
    getConnection(line: Line): Promise<Connection>;
  };
  /** The versions of each request that the node knows, by its number; null: it was not asked yet. */
  readonly versions: Readonly<
    Record<number, { readonly minVersion: number; readonly maxVersion: number }>
  > | null;
  /** The newest version of a request that both sides know, as a function of its parameters. */
  lookupRequest(apiKey: number, definition: unknown): (parameters: object) => Exchange<unknown>;
  joinGroup(options: {
    readonly groupId: string;
    readonly sessionTimeout: number;
    readonly rebalanceTimeout: number;
    readonly memberId: string;
    readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[];
  }): Promise<{
    readonly generationId: number;
    readonly leaderId: string;
    readonly memberId: string;
    readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[];
  }>;
  syncGroup(options: {
    readonly groupId: string;
    readonly generationId: number;
    readonly memberId: string;
    readonly groupAssignment: readonly { readonly memberId: string; readonly memberAssignment: Buffer }[];
  }): Promise<{ readonly memberAssignment: Buffer }>;
  disconnect(): Promise<void>;
  /** `timestamp` -1: the end. Rejects when one of the partitions is in any trouble. */
  listOffsets(options: {
    readonly isolationLevel: number;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[];
    }[];
  }): Promise<{
    readonly responses: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
    }[];
  }>;
  initProducerId(options: { readonly transactionTimeout: number }): Promise<ProducerIdentity>;
  leaveGroup(options: { readonly groupId: string; readonly memberId: string }): Promise<unknown>;
}

/** Names a producer to a cluster, which tells by it what comes again. */
export interface ProducerIdentity {
  /** A number of 64 bits. */
  readonly producerId: string | { toString(): string };
  readonly producerEpoch: number;
}

export interface NodeAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack?: string | null;
}

/** kafkajs' view of a cluster: its nodes and the connections to them. */
export interface Cluster {
  readonly brokerPool: {
    readonly brokers: Record<string, Broker>;
    readonly versions: Broker['versions'];
    readonly rootLogger: unknown;
    readonly connectionPoolBuilder: { build(address: Omit<NodeAddress, 'nodeId'>): Promise<unknown> };
    createBroker(options: object): Broker;
    /** Reads the nodes anew, and what leads these topics; rejects when one of the topics is in any trouble. */
    refreshMetadata(topics: readonly string[]): Promise<void>;
    findConnectedBroker(): Promise<Broker>;
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  getNodeIds(): readonly string[];
  /** What kafkajs asks for whenever it reads the nodes anew; none: all topics that there are. */
  readonly targetTopics: Set<string>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  findGroupCoordinator(options: { readonly groupId: string }): Promise<Broker>;
  findBroker(options: { readonly nodeId: number }): Promise<Broker>;
}

/**
 * A cluster of kafkajs without the consumer that kafkajs puts around it: two connections to each node that is used. kafkajs
 * is pinned, and a test says whether this still takes hold.
 */
export function createCluster(kafka: Kafka): Cluster {
  const create = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  if (!create) throw new Error('kafkajs is not of the version that this was written for');
  const factory = (kafka as unknown as Record<symbol, (options: object) => Cluster>)[create]!;
  return factory({ metadataMaxAge: 300_000, allowAutoTopicCreation: false });
}

const connecting = new WeakMap<object, Map<Line, Promise<Connection>>>();

/** A connection to a node. kafkajs would open one for each caller that finds none, and lose all but the last. */
export function connectionTo(broker: Broker, line: Line): Promise<Connection> {
  const { connectionPool } = broker;
  const lines = connecting.get(connectionPool) ?? new Map<Line, Promise<Connection>>();
  connecting.set(connectionPool, lines);
  const known = lines.get(line);
  if (known) return known;
  const connection = connectionPool.getConnection(line).finally(() => lines.delete(line));
  lines.set(line, connection);
  return connection;
}

const using = new WeakMap<Cluster, Set<Promise<unknown>>>();

/** This work may connect, also when nobody waits for it any more: it is waited for before the cluster is closed. */
export function withCluster<T>(cluster: Cluster, work: Promise<T>): Promise<T> {
  const all = using.get(cluster) ?? new Set();
  using.set(cluster, all.add(work));
  const ended = () => all.delete(work);
  work.then(ended, ended);
  return work;
}

/**
 * Closes every connection. What is under way ends by that, and may connect again before it does: `ended` tells when it has.
 */
export async function closeCluster(cluster: Cluster, ended: Promise<unknown>): Promise<void> {
  const brokers = Object.values(cluster.brokerPool.brokers);
  await cluster.disconnect().catch(() => {});
  await ended;
  await Promise.allSettled(using.get(cluster) ?? []);
  const again = [...brokers, cluster].map((one) => one.disconnect());
  await Promise.allSettled(again);
}

const apiKeys = kafkajs('kafkajs/src/protocol/requests/apiKeys') as Readonly<Record<string, number>>;
const definitions = (
  kafkajs('kafkajs/src/protocol/requests') as { requests: Readonly<Record<string, unknown>> }
).requests;

/** Sends a request that kafkajs knows by this name, on one of the two connections; its errors are kafkajs'. */
export async function send<T>(
  broker: Broker,
  line: Line,
  api: 'DescribeGroups' | 'Heartbeat' | 'OffsetFetch',
  parameters: object,
): Promise<T> {
  const exchange = broker.lookupRequest(apiKeys[api]!, definitions[api])(parameters);
  const connection = await connectionTo(broker, line);
  return (await connection.send(exchange)) as T;
}

/** Sends a request, and answers what the node did: errors in it are left to the caller, for kafkajs takes one for all. */
export async function ask<T>(
  broker: Broker,
  api: 'DescribeConfigs' | 'ListOffsets' | 'Metadata',
  parameters: object,
): Promise<T> {
  const exchange = broker.lookupRequest(apiKeys[api]!, definitions[api])(parameters);
  const connection = await connectionTo(broker, 0);
  const response = { decode: exchange.response.decode, parse: async <R>(data: R) => data };
  return (await connection.send({ ...exchange, response })) as T;
}

/** Ends connections to a node at once, and what is on its way with them: kafkajs would wait for it. */
export function cutConnections(
  broker: Broker,
  lines: readonly Line[] = [0, 1],
  why = new Error('the connection was given up'),
): void {
  for (const line of lines) broker.connectionPool.pool[line]?.socket?.destroy(why);
}
