import type { CompressionTypes, Kafka, Message, Producer } from 'kafkajs';
import { protocolErrorType } from '../../../kafkajs/protocol-error.ts';
import type { KafkaOptions } from './options.ts';
import type { Partitions } from './partitions.ts';
import type { KafkaRecord } from './record.ts';
import type { Sockets } from './sockets.ts';

export interface LinkDeps {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly options: KafkaOptions;
  readonly compression: CompressionTypes;
  readonly partitions: Partitions;
  readonly sockets: Sockets;
}

/** The life of one kafkajs producer, from its connection to the first doubt about it. */
export class Link {
  readonly #deps: LinkDeps;
  readonly #closed = new AbortController();
  #producer: Producer | undefined;

  constructor(deps: LinkDeps) {
    this.#deps = deps;
  }

  /** Aborts with the reason when it is closed. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  async connect(): Promise<void> {
    const { acks, idempotence } = this.#deps.options;
    try {
      await this.#connect(idempotence ?? acks === -1);
    } catch (error) {
      const isForbidden = protocolErrorType(error) === 'CLUSTER_AUTHORIZATION_FAILED';
      if (idempotence !== undefined || !isForbidden) throw error;
      await this.#connect(false);
    }
  }

  /** Whether brokers keep out what they have already when it is sent again. */
  get isIdempotent(): boolean {
    return this.#producer?.isIdempotent() ?? false;
  }

  async #connect(idempotent: boolean): Promise<void> {
    const { kafka, options, partitions } = this.#deps;
    const before = this.#producer;
    this.#producer = kafka.producer({
      idempotent,
      // None, which kafkajs refuses for an idempotent producer when it is told so in a number.
      retry: { retries: Number.NaN },
      allowAutoTopicCreation: false,
      metadataMaxAge: options.metadataMaxAge,
      createPartitioner: partitions.partitioner,
    });
    before?.disconnect().catch(() => {});
    await this.#unlessClosed(this.#producer.connect());
  }

  /** Rejects with the first error of a partition when some of them took the records and others did not. */
  async send(records: readonly KafkaRecord[]): Promise<void> {
    const { topic, options, compression, sockets } = this.#deps;
    const { acks, requestTimeout: timeout } = options;
    const messages = records as unknown as Message[]; // with headers in a list; see record-batch.ts
    sockets.lost = undefined;
    try {
      await this.#unlessClosed(this.#producer!.send({ topic, acks, timeout, compression, messages }));
      // Nothing answers to acks=0, and kafkajs writes without end.
      if (acks === 0) await this.#unlessClosed(sockets.drained());
    } catch (error) {
      // kafkajs tries to connect again, and tells only of that.
      throw protocolErrorType(error) === undefined && sockets.lost ? sockets.lost : error;
    }
  }

  /** Cuts the connections at once, so that nothing is written any more. */
  close(why: Error): void {
    if (this.signal.aborted) return;
    this.#closed.abort(why);
    this.#deps.sockets.close(why);
    this.#producer?.disconnect().catch(() => {});
  }

  /** kafkajs is not waited for when it is cut off: it tries on for a while. */
  async #unlessClosed<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {});
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = () => reject(this.signal.reason);
    if (this.signal.aborted) abort();
    this.signal.addEventListener('abort', abort);
    try {
      return await Promise.race([work, promise]);
    } finally {
      this.signal.removeEventListener('abort', abort);
    }
  }
}
