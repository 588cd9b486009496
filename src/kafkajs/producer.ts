import { type Backoff, backoffPause } from '../runtime/backoff.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { type Cluster, closeCluster } from './cluster.ts';
import type { BatchLimits, Judge, Outgoing } from './outgoing.ts';
import type { Batch, PartitionQueue } from './partition-queue.ts';
import { errorOf, meaningOf, type Produced } from './produce-request.ts';
import { ProducerIds } from './producer-ids.ts';
import { type NodeDeps, ProducerNode, type RequestOptions } from './producer-node.ts';
import type { Partitions } from './producer-topic.ts';
import { ProducerTopics } from './producer-topics.ts';

export interface ProducerOptions extends RequestOptions {
  /** Whether Kafka is to keep the order through failures, and to drop what comes again. Wants acks -1. */
  readonly isIdempotent: boolean;
  readonly maxBatchRecords: number;
  readonly maxBatchBytes: number;
  /** So soon Kafka is asked for partitions that were added, in milliseconds. */
  readonly metadataAge: number;
  /** The pauses of a partition that fails, and of a node that does. */
  readonly retry: Backoff;
  readonly reconnect: Backoff;
}

interface Deps<T extends Outgoing> extends Pick<NodeDeps, 'flushed'> {
  readonly cluster: Cluster;
  readonly clock: Clock;
  random(): number;
  /** Chooses a record's partition. */
  place(record: T, partitions: Partitions): number;
  readonly judge: Judge<T>;
  /** Kafka did not take so many records, or could not be asked. */
  failed(error: unknown, records: number): void;
}

/** Batches of a partition on their way, at most: as many as a node remembers, to know what comes again. */
const MAX_ON_WAY = 5;
/** How often it is looked at what cannot leave, in milliseconds. */
const TICK = 100;
/**
 * Produces records, in their order within each partition. Each node gets its own requests, and each partition is settled by
 * what was answered for it: one without a leader holds up no other. kafkajs' own producer does not ask a node again
 * that has answered once, and takes what was not written there for written.
 */
export class Producer<T extends Outgoing> {
  readonly #options: ProducerOptions;
  readonly #deps: Deps<T> & Pick<NodeDeps, 'closing'>;
  readonly #limits: BatchLimits;
  readonly #topics: ProducerTopics<T>;
  readonly #ids: ProducerIds;
  readonly #nodes = new Map<number, ProducerNode<T>>();
  /** Queues that wait for a time, a leader or an identity. */
  readonly #troubled = new Set<PartitionQueue<T>>();
  #isPumping = false;
  #cancelTick: CancelTimer | undefined;
  #failingSince: number | undefined;
  readonly #closing = new AbortController();

  constructor(options: ProducerOptions, deps: Deps<T>) {
    const { maxBatchRecords: maxRecords, maxBatchBytes: maxBytes, isIdempotent, requestTimeout } = options;
    this.#options = options;
    this.#deps = { ...deps, closing: this.#closing.signal };
    this.#limits = { maxRecords, maxBytes, maxOnWay: isIdempotent ? MAX_ON_WAY : 1 };
    this.#topics = new ProducerTopics({
      ...options,
      ...this.#deps,
      retry: options.reconnect,
      led: (queue) => {
        for (const node of this.#nodes.values()) node.ready.delete(queue);
        this.#ready(queue);
      },
      waits: () => this.#tickSoon(),
      forgot: ({ queues }) => {
        for (const { identity, lost } of queues) this.#ids.drop(identity, lost);
      },
      failed: (error) => this.#hasFailed(error, 0),
    });
    this.#ids = new ProducerIds({
      ...this.#deps,
      timeout: requestTimeout,
      known: () => this.#tick(),
      failed: (error) => {
        for (const queue of this.#troubled) if (!queue.identity) queue.cannotLeave(error);
        this.#hasFailed(error, 0);
      },
    });
  }

  /** Reaches the cluster, and gets known to it. What is sent before that does so by itself. */
  async connect(): Promise<void> {
    if (this.#options.isIdempotent) await this.#ids.ask();
    else await this.#deps.cluster.connect();
  }

  /** Since when Kafka has taken nothing of what was sent, in milliseconds of the monotonic clock. */
  readonly failingSince = () => this.#failingSince;

  send(record: T): void {
    const { signal: closing } = this.#closing;
    const queue = closing.aborted ? undefined : this.#topics.add(record);
    if (closing.aborted) record.settle(closing.reason);
    else if (queue) this.#ready(queue);
    else this.#tickSoon();
  }

  /** Something may leave of it: with what else comes within this turn of the event loop. */
  #ready(queue: PartitionQueue<T>): void {
    if (this.#troubled.has(queue)) return;
    if (queue.leader < 0) this.#trouble(queue);
    else {
      this.#node(queue.leader).ready.add(queue);
      this.#pumpSoon();
    }
  }

  #node(nodeId: number): ProducerNode<T> {
    const known = this.#nodes.get(nodeId);
    const node = known ?? new ProducerNode<T>({ ...this.#options, ...this.#deps, nodeId });
    if (!known) this.#nodes.set(nodeId, node);
    return node;
  }

  #pumpSoon(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      for (const node of this.#nodes.values()) this.#pump(node);
    });
  }

  /** Sends what may leave, as far as the node takes more. */
  #pump(node: ProducerNode<T>): void {
    const { judge, clock } = this.#deps;
    const holdsBack = (queue: PartitionQueue<T>) => {
      const hasToWait = clock.monotonic() < node.notBefore || !this.#isNamed(queue);
      if (hasToWait) this.#trouble(queue);
      return hasToWait;
    };
    while (!this.#closing.signal.aborted && !node.isBusy && node.ready.size > 0) {
      const batches = node.take(this.#limits, judge, holdsBack);
      if (batches.length === 0) return;
      void this.#send(node, batches);
    }
  }

  /** Whether its batches can be numbered, if they are to be. */
  #isNamed(queue: PartitionQueue<T>): boolean {
    if (!this.#options.isIdempotent) return true;
    queue.identity ??= this.#ids.other(queue.lost);
    return queue.identity !== undefined;
  }

  async #send(node: ProducerNode<T>, batches: readonly Batch<T>[]): Promise<void> {
    const { clock, random } = this.#deps;
    let hasLeft = false;
    try {
      const produced = await node.send(batches, () => {
        hasLeft = true;
      });
      node.failures = 0;
      this.#settle(batches, produced);
    } catch (error) {
      node.failures++;
      node.notBefore = clock.monotonic() + backoffPause(this.#options.reconnect, node.failures, random());
      for (const batch of batches) {
        batch.queue.failed(batch, error, hasLeft);
        this.#rest(batch);
      }
    }
    for (const { queue } of batches) if (!queue.isEmpty) this.#ready(queue);
    this.#pumpSoon(); // the node is less busy
  }

  #settle(batches: readonly Batch<T>[], produced: readonly Produced[] | undefined): void {
    const codes = new Map(produced?.map((one) => [`${one.topic}/${one.partition}`, one.errorCode]));
    for (const batch of batches) {
      const { topic, partition } = batch.queue;
      this.#answered(batch, produced ? (codes.get(`${topic}/${partition}`) ?? -1) : 0);
    }
  }

  #answered(batch: Batch<T>, code: number): void {
    const { queue } = batch;
    const meaning = meaningOf(code);
    if (meaning === 'sound') {
      this.#failingSince = undefined;
      queue.succeeded(batch, this.#deps.clock.lease());
      return;
    }
    const error = errorOf(code);
    if (meaning === 'refused') queue.refused(batch, error);
    else if (meaning !== 'out-of-order') {
      queue.failed(batch, error, meaning === 'failed');
      this.#rest(batch);
    } else if (queue.outOfOrder(batch, error)) this.#rest(batch);
  }

  /** It failed, and comes again when its time has come. */
  #rest({ queue, records }: Batch<T>): void {
    const { clock, random, judge } = this.#deps;
    queue.judge(judge);
    queue.notBefore = clock.monotonic() + backoffPause(this.#options.retry, queue.failures, random());
    for (const node of this.#nodes.values()) node.ready.delete(queue);
    this.#topics.doubt(queue.topic);
    this.#trouble(queue);
    this.#hasFailed(queue.error, records.length);
  }

  #hasFailed(error: unknown, records: number): void {
    this.#failingSince ??= this.#deps.clock.monotonic();
    if (!this.#closing.signal.aborted) this.#deps.failed(error, records);
    this.#tickSoon();
  }

  #trouble(queue: PartitionQueue<T>): void {
    this.#troubled.add(queue);
    this.#tickSoon();
  }

  #tickSoon(): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelTick ??= this.#deps.clock.setTimer(() => this.#tick(), TICK);
  }

  /** Looks at what cannot leave: its time may be over, or it may go on. */
  #tick(): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    const { clock, judge } = this.#deps;
    const now = clock.monotonic();
    for (const queue of [...this.#troubled]) {
      queue.judge(judge);
      const isLed = queue.leader >= 0 && this.#node(queue.leader).notBefore <= now;
      if (!queue.isEmpty && !(isLed && queue.notBefore <= now && this.#isNamed(queue))) continue;
      this.#troubled.delete(queue);
      if (!queue.isEmpty) this.#ready(queue);
    }
    if (this.#topics.isEmpty) this.#failingSince = undefined; // nothing is known to fail any more
    if (this.#topics.tick() || this.#troubled.size > 0) this.#tickSoon();
  }

  /** Everything ends with this error, also what is on its way, which may be written nevertheless. */
  async close(error: unknown): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(error);
    this.#cancelTick?.();
    await closeCluster(this.#deps.cluster, this.#topics.end(error));
  }
}
