import { int16, int32 } from '../../src/kafkajs/bytes.ts';
import type { Broker, Cluster, Exchange, ProducerIdentity } from '../../src/kafkajs/cluster.ts';
import { openBatches, RecordReader } from '../../src/kafkajs/records.ts';
import type { Clock } from '../../src/runtime/clock.ts';

/** Numbers of Kafka's errors. */
export const ErrorCode = {
  UNKNOWN_TOPIC: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER: 6,
  REQUEST_TIMED_OUT: 7,
  MESSAGE_TOO_LARGE: 10,
  NOT_ENOUGH_REPLICAS: 19,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 20,
  TOPIC_AUTHORIZATION_FAILED: 29,
  OUT_OF_ORDER: 45,
  DUPLICATE: 46,
} as const;

const PRODUCE = 0;
/** As many batches of a producer a partition remembers; and so long, when none comes any more, in milliseconds. */
const REMEMBERED = 5;
const FORGOTTEN = 86_400_000;
/** What a request takes there and back, in milliseconds. */
const ROUND_TRIP = 4;

interface WrittenBatch {
  readonly producer: string;
  readonly first: number;
  readonly count: number;
  /** When it was written. */
  readonly at: number;
}

/** One partition: who leads it, what is in it, and what it knows of producers. */
export class FakePartition {
  leader: number;
  readonly values: string[] = [];
  readonly #clock: Clock;
  #batches: WrittenBatch[] = [];

  constructor(leader: number, clock: Clock) {
    this.leader = leader;
    this.#clock = clock;
  }

  /** Appends a batch as Kafka does; answers the number of an error. */
  append(written: Omit<WrittenBatch, 'at'>, values: readonly string[]): number {
    const batch = { ...written, at: this.#clock.monotonic() };
    const lasting = this.#batches.filter(({ at }) => batch.at - at < FORGOTTEN);
    const living = new Set(lasting.map(({ producer }) => producer));
    this.#batches = this.#batches.filter(({ producer }) => living.has(producer));
    const own = this.#batches.filter(({ producer }) => producer === batch.producer);
    if (batch.first >= 0) {
      const isThere = own
        .slice(-REMEMBERED)
        .some(({ first, count }) => first === batch.first && count === batch.count);
      if (isThere) return ErrorCode.DUPLICATE;
      const last = own.at(-1);
      const next = last ? (last.first + last.count) & 0x7fffffff : batch.first;
      if (batch.first !== next) return ErrorCode.OUT_OF_ORDER;
    }
    this.#batches.push(batch);
    this.values.push(...values);
    return 0;
  }
}

/** What a node does with one batch before it appends it, or answers when it has: nothing, or the number of an error. */
export type Refuses = (topic: string, partition: number, values: readonly string[], nodeId: number) => number;

/** A cluster of kafkajs as a producer sees it, in memory: idempotent as Kafka is, with nodes that fail. */
export class FakeCluster implements Pick<Cluster, 'brokerPool' | 'connect' | 'disconnect' | 'findBroker'> {
  readonly topics = new Map<string, FakePartition[]>();
  /** Nodes that are away: nobody can connect. */
  readonly down = new Set<number>();
  /** Nodes that there is a connection to. */
  readonly connected = new Set<number>();
  /** How long it takes to connect, in milliseconds. */
  connectTime = 1;
  /** Nodes that take requests and answer nothing, nor anything that comes later by the same connection. */
  readonly mute = new Set<number>();
  refuses: Refuses = () => 0;
  /** What it answers although it has the batch: replicas are late with it, or somebody else leads now. */
  doubts: Refuses = () => 0;
  /** Whether an answer gets lost, and the connection with it. */
  losesAnswer = () => false;
  /** Whether records are acknowledged. */
  answersProduce = true;
  /** Values of each request, by what was in it. */
  readonly requests: string[][] = [];
  /** The topics of each request for metadata. */
  readonly asked: (readonly string[])[] = [];
  identities = 0;
  readonly #clock: Clock;
  /** What each node was asked. */
  readonly #asking = new Map<number, Promise<unknown>[]>();
  /** The connections to nodes, and those that nothing comes back by any more. */
  readonly #cuts = new Map<number, PromiseWithResolvers<never>>();
  readonly #dead = new WeakSet<object>();
  readonly brokerPool: Cluster['brokerPool'];

  constructor(nodeIds: readonly number[], clock: Clock) {
    this.#clock = clock;
    const brokers = Object.fromEntries(nodeIds.map((nodeId) => [nodeId, this.#broker(nodeId)]));
    this.brokerPool = {
      brokers,
      versions: null,
      rootLogger: undefined,
      connectionPoolBuilder: { build: async () => undefined },
      createBroker: () => assertNever(),
      refreshMetadata: async () => {},
      findConnectedBroker: async () => {
        const up = nodeIds.find((nodeId) => !this.down.has(nodeId) && !this.mute.has(nodeId));
        if (up === undefined) throw new Error('connect ECONNREFUSED');
        return await this.#connect(up);
      },
    };
  }

  get asCluster(): Cluster {
    return this as unknown as Cluster;
  }

  topic(name: string, leaders: readonly number[]): readonly FakePartition[] {
    const partitions = leaders.map((leader) => new FakePartition(leader, this.#clock));
    this.topics.set(name, partitions);
    return partitions;
  }

  async connect(): Promise<void> {
    await this.brokerPool.findConnectedBroker();
  }

  async disconnect(): Promise<void> {
    const brokers = Object.values(this.brokerPool.brokers);
    await Promise.all(brokers.map((broker) => broker.disconnect()));
  }

  async findBroker({ nodeId }: { readonly nodeId: number }): Promise<Broker> {
    return await this.#connect(nodeId);
  }

  async #connect(nodeId: number): Promise<Broker> {
    await this.#clock.sleep(this.connectTime);
    if (this.down.has(nodeId)) throw new Error('connect ECONNREFUSED');
    this.connected.add(nodeId);
    return this.brokerPool.brokers[nodeId]!;
  }

  /** Ends the connections to a node, and what is on its way with them. */
  cut(nodeId: number): void {
    this.connected.delete(nodeId);
    const cut = this.#cuts.get(nodeId);
    this.#cuts.delete(nodeId);
    cut?.promise.catch(() => {});
    cut?.reject(new Error('Closed connection'));
  }

  #broker(nodeId: number): Broker {
    return {
      nodeId,
      versions: { [PRODUCE]: { minVersion: 3, maxVersion: 9 } },
      connectionPool: {
        host: 'localhost',
        port: nodeId,
        pool: [0, 1].map(() => ({ socket: { destroy: () => this.cut(nodeId) } })),
        getConnection: async () => ({
          send: (exchange: Exchange<unknown>) => this.#exchange(nodeId, exchange),
        }),
      },
      lookupRequest: (apiKey: number) => (parameters: object) => ({
        request: { apiKey, ...parameters },
        response: {},
      }),
      initProducerId: async (): Promise<ProducerIdentity> => ({
        producerId: String(this.identities++),
        producerEpoch: 0,
      }),
      // As kafkajs does it: when everything was answered.
      disconnect: async () => {
        await Promise.allSettled(this.#asking.get(nodeId) ?? []);
        this.cut(nodeId);
      },
    } as unknown as Broker;
  }

  async #exchange(nodeId: number, exchange: Exchange<unknown>): Promise<unknown> {
    const cut = this.#cuts.get(nodeId) ?? Promise.withResolvers<never>();
    cut.promise.catch(() => {});
    this.#cuts.set(nodeId, cut);
    const answer =
      exchange.request.apiKey === PRODUCE ? this.#produce(nodeId, cut, exchange) : this.#metadata(exchange);
    const asked = Promise.race([answer, cut.promise]);
    this.#asking.set(nodeId, [...(this.#asking.get(nodeId) ?? []), asked]);
    return await asked;
  }

  async #metadata({ request }: Exchange<unknown>) {
    const { topics } = request as unknown as { readonly topics: readonly string[] };
    this.asked.push(topics);
    await this.#clock.sleep(ROUND_TRIP);
    return {
      brokers: Object.values(this.brokerPool.brokers).map(({ nodeId }) => ({
        nodeId,
        host: 'localhost',
        port: nodeId,
      })),
      topicMetadata: topics.map((topic) => {
        const partitions = this.topics.get(topic);
        return {
          topic,
          topicErrorCode: partitions ? 0 : ErrorCode.UNKNOWN_TOPIC,
          partitionMetadata: (partitions ?? []).map(({ leader }, partitionId) => ({
            partitionErrorCode: leader < 0 ? ErrorCode.LEADER_NOT_AVAILABLE : 0,
            partitionId,
            leader,
          })),
        };
      }),
    };
  }

  async #produce(
    nodeId: number,
    connection: object,
    { request, response }: Exchange<unknown>,
  ): Promise<unknown> {
    const buffer = Buffer.concat(request.parts?.() ?? []);
    await this.#clock.sleep(ROUND_TRIP / 2);
    if (this.mute.has(nodeId)) this.#dead.add(connection);
    if (this.#dead.has(connection)) return await new Promise(() => {});
    if (this.down.has(nodeId)) throw new Error('Closed connection');
    const results: [string, number, number][] = [];
    const valuesOfRequest: string[] = [];
    for (const { topic, partition, bytes } of batchesOf(buffer)) {
      const values = await valuesOf(bytes);
      valuesOfRequest.push(...values);
      results.push([topic, partition, this.#append(nodeId, topic, partition, bytes, values)]);
    }
    this.requests.push(valuesOfRequest);
    if (!this.answersProduce) return undefined;
    await this.#clock.sleep(ROUND_TRIP / 2);
    if (this.losesAnswer()) {
      this.cut(nodeId);
      throw new Error('Closed connection');
    }
    return await response.parse(await response.decode(answerOf(results)));
  }

  #append(nodeId: number, topic: string, index: number, bytes: Buffer, values: readonly string[]): number {
    const partition = this.topics.get(topic)?.[index];
    if (!partition) return ErrorCode.UNKNOWN_TOPIC;
    if (partition.leader !== nodeId) return ErrorCode.NOT_LEADER;
    const refusal = this.refuses(topic, index, values, nodeId);
    if (refusal !== 0) return refusal;
    const producer = `${bytes.readBigInt64BE(43)}/${bytes.readInt16BE(51)}`;
    const batch = { producer, first: bytes.readInt32BE(53), count: values.length };
    const code = partition.append(batch, values);
    return code === 0 ? this.doubts(topic, index, values, nodeId) : code;
  }
}

const assertNever = (): never => {
  throw new Error('no node of this cluster ever moves');
};

/** The batches in a request to produce. */
function* batchesOf(request: Buffer) {
  let at = 8; // no transaction, acks, time
  const next = () => {
    at += 4;
    return request.readInt32BE(at - 4);
  };
  for (let topics = next(); topics > 0; topics--) {
    const length = request.readInt16BE(at);
    const topic = request.toString('utf8', at + 2, at + 2 + length);
    at += 2 + length;
    for (let partitions = next(); partitions > 0; partitions--) {
      const partition = next();
      const size = next();
      yield { topic, partition, bytes: request.subarray(at, at + size) };
      at += size;
    }
  }
}

async function valuesOf(bytes: Buffer): Promise<readonly string[]> {
  const reader = new RecordReader(await openBatches(bytes, []), 0);
  const values: string[] = [];
  for (let record = reader.next(); record; record = reader.next()) values.push(String(record.value));
  return values;
}

/** An answer to a request to produce, of version 7. */
function answerOf(
  results: readonly (readonly [topic: string, partition: number, errorCode: number])[],
): Buffer {
  const parts: Buffer[] = [int32(results.length)];
  for (const [topic, partition, errorCode] of results) {
    const name = Buffer.from(topic);
    const one = Buffer.alloc(30);
    one.writeInt32BE(partition, 0);
    one.writeInt16BE(errorCode, 4);
    parts.push(int16(name.length), name, int32(1), one);
  }
  return Buffer.concat([...parts, int32(0)]);
}
