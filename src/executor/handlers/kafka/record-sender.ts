import type { Cluster } from '../../../kafkajs/cluster.ts';
import { partitionOfKey } from '../../../kafkajs/key-partition.ts';
import { Producer } from '../../../kafkajs/producer.ts';
import type { Partitions } from '../../../kafkajs/producer-topic.ts';
import { protocolErrorType } from '../../../kafkajs/protocol-error.ts';
import { Change } from '../../../runtime/change.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { untilAborted } from '../../../runtime/until-aborted.ts';
import type { Outcome } from '../handler.ts';
import { CODECS } from './codecs.ts';
import type { KafkaOptions } from './options.ts';
import { isAboutRecords, isWhollyRefused } from './outcome.ts';
import { Pack, Sending } from './pack.ts';
import { DisconnectedError, lostBroker } from './reason.ts';
import type { KafkaRecord } from './record.ts';
import type { Sockets } from './sockets.ts';

/** Records in one batch, at most. */
const MAX_RECORDS = 500;
/** The largest request, unless a setting says otherwise: brokers take 100 MB. */
const MAX_REQUEST_BYTES = 8_388_608;

interface Deps {
  /** A new one, not yet connected. */
  cluster(): Cluster;
  readonly sockets: Sockets;
  readonly topic: string;
  readonly options: KafkaOptions;
  readonly clock: Clock;
  random(): number;
  /** The brokers do not take the credentials. */
  refused(): void;
}

/** Sends the records of packs to one topic, with a bound on what waits. */
export class RecordSender {
  readonly #deps: Deps;
  readonly #topic: string;
  #producer: Producer<Sending> | undefined;
  #isIdempotent = false;
  /** Of what waits or is on its way. */
  #bytes = 0;
  readonly #room = new Change();
  /** The partition of the next record without a key. */
  #next: number;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#topic = deps.topic;
    this.#next = Math.floor(deps.random() * 1000);
  }

  /** Connects. Rejects with the reason, or with the signal's when that aborts. */
  async connect(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { acks, idempotence } = this.#deps.options;
    try {
      await this.#connect(idempotence ?? acks === -1, signal);
    } catch (error) {
      const isForbidden = protocolErrorType(error) === 'CLUSTER_AUTHORIZATION_FAILED';
      if (idempotence !== undefined || !isForbidden) throw this.#causeOf(error);
      await this.#connect(false, signal);
    }
  }

  async #connect(isIdempotent: boolean, signal: AbortSignal): Promise<void> {
    this.#isIdempotent = isIdempotent;
    const before = this.#producer;
    const producer = this.#newProducer();
    this.#producer = producer;
    before?.close(new DisconnectedError('the connection is made anew')).catch(() => {});
    try {
      await untilAborted(producer.connect(), signal);
    } catch (error) {
      if (isRefusal(error)) this.#deps.refused();
      throw error;
    }
  }

  #newProducer(): Producer<Sending> {
    const { cluster, options, sockets, clock, random } = this.#deps;
    const { acks, requestTimeout, batchBytes, maxRequestBytes, metadataMaxAge: metadataAge } = options;
    return new Producer<Sending>(
      {
        ...CODECS[options.compression],
        acks,
        isIdempotent: this.#isIdempotent,
        requestTimeout,
        metadataAge,
        maxBatchRecords: MAX_RECORDS,
        maxBatchBytes: Math.min(batchBytes, maxRequestBytes),
        maxRequestBytes: Math.min(maxRequestBytes, MAX_REQUEST_BYTES),
        retry: { initial: options.retryPause, max: options.maxRetryPause },
        reconnect: { initial: options.reconnectPause, max: options.maxReconnectPause },
      },
      {
        cluster: cluster(),
        clock,
        random,
        place: (sending, partitions) => this.#place(sending, partitions),
        judge: (sending, failures, error) => this.#judge(sending, failures, error),
        failed: (error) => {
          if (isRefusal(error)) this.#deps.refused();
        },
        flushed: () => sockets.drained(),
      },
    );
  }

  /**
   * outcomes[i] belongs to records[i]. When the signal aborts, what has none by then failed for that; rejects with its reason
   * when none has.
   */
  async deliver(records: readonly KafkaRecord[], signal: AbortSignal): Promise<readonly Outcome[]> {
    signal.throwIfAborted();
    if (records.length === 0) return [];
    const pack = new Pack(records.length, this.#deps.clock.monotonic());
    const abort = () => {
      pack.abort(signal.reason);
      this.#room.tell();
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      let place = 0;
      for (const record of records) {
        while (!this.#hasRoom(record) && !pack.aborted) await this.#room.next();
        if (pack.aborted) break;
        this.#send(record, pack, place++);
      }
      return await pack.outcomes;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #hasRoom({ bytes }: KafkaRecord): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#deps.options.bufferBytes;
  }

  #send(record: KafkaRecord, pack: Pack, place: number): void {
    const sending = new Sending(this.#topic, record, pack, place, this.#settled);
    this.#bytes += sending.bytes;
    if (this.#producer) this.#producer.send(sending);
    else sending.settle(new DisconnectedError('there is no connection'));
  }

  readonly #settled = ({ bytes }: Sending) => {
    this.#bytes -= bytes;
    this.#room.tell();
  };

  /** One with a key goes to the partition of the Java client, one without to the next that has a leader. */
  #place(sending: Sending, { count, led }: Partitions): number {
    const { key } = sending.record;
    if (key !== null) sending.partition = partitionOfKey(key, count);
    else {
      const next = this.#next++;
      sending.partition = led.length > 0 ? led[next % led.length]! : next % count;
    }
    return sending.partition;
  }

  #judge({ pack, partition }: Sending, failures: number, cause: unknown): unknown {
    if (pack.aborted) return pack.aborted.reason ?? new DisconnectedError('its time is over');
    const failed = pack.failed.get(partition);
    if (failed !== undefined) return failed;
    if (failures === 0) return undefined;
    const error = this.#causeOf(cause);
    if (isAboutRecords(error) || isWhollyRefused(error)) return error;
    const { options, clock } = this.#deps;
    // Once more is for free where it writes nothing twice, unless it has taken long already.
    const isFree = this.#isIdempotent && clock.monotonic() - pack.since < options.requestTimeout;
    return failures > Math.max(options.retries, isFree ? 1 : 0) ? error : undefined;
  }

  /** kafkajs tells of a lost connection without why. That of another broker says nothing of it. */
  #causeOf(error: unknown): unknown {
    const broker = lostBroker(error);
    return (broker !== undefined && this.#deps.sockets.lost.get(broker)) || error;
  }

  /** Cuts what is on its way, for good. */
  close(): void {
    const why = new DisconnectedError('the integration stopped');
    this.#deps.sockets.close(why);
    this.#producer?.close(why).catch(() => {});
    this.#room.tell();
  }
}

/** A token that a broker does not take is not shown again. */
const isRefusal = (error: unknown) =>
  error instanceof Error && error.name === 'KafkaJSSASLAuthenticationError';
