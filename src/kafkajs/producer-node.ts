import type { Clock } from '../runtime/clock.ts';
import { timeoutSignal } from '../runtime/deadline.ts';
import { untilAborted } from '../runtime/until-aborted.ts';
import {
  type Broker,
  type Cluster,
  type Connection,
  connectionTo,
  cutConnections,
  withCluster,
} from './cluster.ts';
import type { BatchLimits, Judge, Outgoing } from './outgoing.ts';
import type { Batch, PartitionQueue } from './partition-queue.ts';
import { type Produced, produceExchange, produceVersion } from './produce-request.ts';
import { recordBatch } from './record-batch.ts';

/** The other one of the two connections is for metadata. */
const LINE = 1;
/** Requests on their way to one node, at most. */
const MAX_ON_WAY = 5;

export interface RequestOptions {
  readonly acks: -1 | 0 | 1;
  /** How long a node may take for a request, in milliseconds. */
  readonly requestTimeout: number;
  /** Of records; what is larger goes alone. */
  readonly maxRequestBytes: number;
  readonly compression: number;
  compress(records: Buffer): Promise<Buffer>;
}

export interface NodeDeps extends RequestOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly nodeId: number;
  /** Aborts when the producer closes: what is on its way is cut then. */
  readonly closing: AbortSignal;
  /** Resolves when what was written has left; for acks 0, where nothing answers. */
  flushed?(): Promise<void>;
}

/** One node of Kafka, as the records of the partitions that it leads leave for it. */
export class ProducerNode<T extends Outgoing> {
  /** Those of which something may leave. */
  readonly ready = new Set<PartitionQueue<T>>();
  /** Not before this time is anything sent, in milliseconds of the monotonic clock. */
  notBefore = 0;
  /** Requests in a row that failed as a whole. */
  failures = 0;
  readonly #deps: NodeDeps;
  #onWay = 0;
  /** Ends when the request before is written: they leave in their order. */
  #written: Promise<void> = Promise.resolve();

  constructor(deps: NodeDeps) {
    this.#deps = deps;
  }

  get isBusy(): boolean {
    return this.#onWay >= MAX_ON_WAY;
  }

  /** What goes into the next request: a batch of each partition at most, but for those that are held back. */
  take(
    limits: BatchLimits,
    judge: Judge<T>,
    holdsBack: (queue: PartitionQueue<T>) => boolean,
  ): readonly Batch<T>[] {
    const { clock } = this.#deps;
    const batches: Batch<T>[] = [];
    let bytes = 0;
    for (const queue of this.ready) {
      this.ready.delete(queue);
      const batch = holdsBack(queue) ? undefined : queue.take(limits, judge, clock.lease());
      if (!batch) continue;
      batches.push(batch);
      bytes += batch.records.reduce((sum, record) => sum + record.bytes, 0);
      if (bytes >= this.#deps.maxRequestBytes) break;
    }
    for (const { queue } of batches) this.ready.add(queue); // it may have more
    return batches;
  }

  /**
   * Sends batches in one request; answers what became of each partition, or undefined where nothing answers. When it rejects
   * after they `leave`, Kafka may have them, and the connection is given up with all that was on its way.
   */
  async send(batches: readonly Batch<T>[], leave: () => void): Promise<readonly Produced[] | undefined> {
    const { cluster, clock, requestTimeout, closing } = this.#deps;
    this.#onWay++;
    // kafkajs has deadlines of its own, which are the same or sooner but for what waits before.
    using deadline = timeoutSignal(clock, 2 * requestTimeout, 'sending to Kafka', closing);
    try {
      const written = withCluster(cluster, this.#write(batches, deadline.signal, leave));
      return await untilAborted(written, deadline.signal);
    } finally {
      this.#onWay--;
    }
  }

  /** When the signal aborts before it is written, it is not written any more. */
  async #write(
    batches: readonly Batch<T>[],
    signal: AbortSignal,
    leave: () => void,
  ): Promise<readonly Produced[] | undefined> {
    const { acks, requestTimeout: timeout } = this.#deps;
    const before = this.#written;
    const turn = Promise.withResolvers<void>();
    this.#written = turn.promise;
    try {
      await before;
      const { broker, connection } = await this.#connection();
      const cut = () => cutConnections(broker, [LINE]);
      signal.addEventListener('abort', cut, { once: true });
      const version = produceVersion(broker);
      const encoded = await Promise.all(batches.map((batch) => this.#encode(batch)));
      signal.throwIfAborted();
      leave();
      const answer = connection.send(produceExchange({ acks, timeout, batches: encoded }, version));
      turn.resolve();
      const produced = await answer.catch((error) => {
        cut();
        throw error;
      });
      if (!produced) await this.#deps.flushed?.();
      return produced;
    } finally {
      turn.resolve();
    }
  }

  async #connection(): Promise<{ readonly broker: Broker; readonly connection: Connection }> {
    const { cluster, nodeId } = this.#deps;
    const broker = await cluster.findBroker({ nodeId });
    return { broker, connection: await connectionTo(broker, LINE) };
  }

  async #encode({ queue: { topic, partition }, records, identity, sequence }: Batch<T>) {
    const { compression, clock } = this.#deps;
    const bytes = await recordBatch({
      records: records.map(({ record }) => record),
      compression,
      compress: (buffer) => this.#deps.compress(buffer),
      isTransactional: false,
      producerId: identity ? BigInt(identity.producerId.toString()) : -1n,
      producerEpoch: identity?.producerEpoch ?? -1,
      firstSequence: identity ? sequence : -1,
      now: clock.now(),
    });
    return { topic, partition, bytes };
  }
}
