import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import type { KafkaConfiguration } from '../../../../gen/penstock/v1/kafka_pb.ts';
import { UnencodableError } from '../../../contract/body.ts';
import { topicOf } from '../../../contract/kafka-record.ts';
import { createCluster } from '../../../kafkajs/cluster.ts';
import { timeoutSignal } from '../../../runtime/deadline.ts';
import { messageOf } from '../../../runtime/logger.ts';
import type { Failure, Handler, HandlerContext, Outbound, Outcome } from '../handler.ts';
import { createClient } from './client.ts';
import type { KafkaOptions } from './options.ts';
import { type KafkaRecord, recordWriter } from './record.ts';
import { RecordSender } from './record-sender.ts';
import { recordRecord } from './recorded.ts';
import { optionsOf } from './resolve-options.ts';
import { type Authentication, authenticationOf } from './sasl.ts';
import { Sockets } from './sockets.ts';

/** Some packs are on their way, and Kafka works on them, while the next one is written. */
const PACKS = 4;

/** Produces each message as a record of one topic. */
export class KafkaHandler implements Handler {
  readonly parallel: number;
  readonly #options: KafkaOptions;
  readonly #topic: string;
  readonly #context: HandlerContext;
  readonly #authentication: Authentication;
  readonly #sender: RecordSender;
  readonly #writeRecord: (message: Outbound) => KafkaRecord;
  readonly #stop = new AbortController();

  constructor(config: KafkaConfiguration, context: HandlerContext) {
    const options = optionsOf(config);
    const { clock } = context;
    this.#options = options;
    this.#topic = topicOf(config);
    this.#context = context;
    this.parallel = Math.min(PACKS, context.maxInFlight);
    this.#authentication = authenticationOf(config, context, this.#stop.signal);
    this.#writeRecord = recordWriter(config, context);
    const sockets = new Sockets(options, context);
    const authentication = this.#authentication;
    this.#sender = new RecordSender({
      cluster: () => createCluster(createClient(config, { context, options, authentication, sockets })),
      sockets,
      topic: this.#topic,
      options,
      clock,
      random: Math.random,
      refused: () => authentication.refused(),
    });
  }

  connect(signal: AbortSignal): Promise<void> {
    return this.#sender.connect(signal);
  }

  async deliver(pack: readonly Outbound[], signal: AbortSignal): Promise<readonly Outcome[]> {
    signal.throwIfAborted();
    const written = pack.map((message) => this.#written(message));
    const records = written.filter((one) => 'value' in one);
    const { record } = this.#context;
    if (record) for (const one of records) recordRecord(record, this.#topic, one);
    const told = await this.#deliver(records, signal);
    if (record && told.some(({ delivered }) => delivered)) record.answered(['Kafka has it']);
    const outcomes = told.values();
    return written.map((one) => ('value' in one ? outcomes.next().value! : one));
  }

  /** The record of a message, or why there is none. */
  #written(message: Outbound): KafkaRecord | Failure {
    const { maxRequestBytes } = this.#options;
    try {
      const record = this.#writeRecord(message);
      if (record.bytes <= maxRequestBytes) return record;
      const reason = `a record of ${record.bytes} bytes is larger than max.request.size (${maxRequestBytes})`;
      return { delivered: false, failureClass: FailureClass.TOO_LARGE, reason };
    } catch (error) {
      if (!(error instanceof UnencodableError)) throw error;
      return { delivered: false, failureClass: FailureClass.UNENCODABLE, reason: messageOf(error) };
    }
  }

  /** Within delivery.timeout.ms, when there is one. */
  async #deliver(records: readonly KafkaRecord[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const { deliveryTimeout } = this.#options;
    if (deliveryTimeout === Number.POSITIVE_INFINITY) return this.#sender.deliver(records, signal);
    using deadline = timeoutSignal(this.#context.clock, deliveryTimeout, 'delivery.timeout.ms', signal);
    try {
      return await this.#sender.deliver(records, deadline.signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const failure = {
        delivered: false,
        failureClass: FailureClass.TIMEOUT,
        reason: messageOf(error),
      } as const;
      return records.map(() => failure);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the integration stopped'));
    this.#sender.close();
    this.#authentication[Symbol.dispose]();
  }
}
