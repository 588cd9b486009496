import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { StatisticsReportSchema } from '../../../gen/penstock/v1/uplink_pb.ts';
import type { IncomingRecord } from '../../bus/bus.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Failure } from '../handlers/handler.ts';
import type { ErrorReports } from '../uplink/error-reports.ts';
import type { DeliveryEvents } from './delivery-events.ts';
import type { IntakeEvents } from './intake.ts';
import type { InFlight, Window } from './window.ts';

const RESULTS = [
  'received',
  'delivered',
  'dead_lettered',
  'skipped',
  'released',
  'undecodable',
  'retention_lost',
] as const;
type Result = (typeof RESULTS)[number];

const classNames = new Map(
  Object.entries(FailureClass).map(([name, value]) => [value, name.toLowerCase().replaceAll('_', '-')]),
) as ReadonlyMap<FailureClass, string>;

interface Deps {
  readonly metrics: Metrics;
  readonly errors: ErrorReports;
  readonly clock: Clock;
}

/** Counts what happens to an integration's messages on this executor, and passes failures on to the error reports. */
export class Statistics implements DeliveryEvents, IntakeEvents, Disposable {
  readonly #deps: Deps;
  readonly #integrationId: string;
  readonly #counts: Record<Result, number>;
  /** What of `#counts` Prometheus has. */
  readonly #exported: Record<Result, number>;
  /** Looked up once: finding a metric by its labels for each message is dear. */
  readonly #counters: Record<Result, { inc(by?: number): void }>;
  readonly #latency: { observe(seconds: number): void };
  #retried = 0;
  #timedOut = 0;
  #lastDelivered = 0;
  /** Why a message last failed; empty: none did since one was delivered. */
  lastFailure = '';

  constructor(integrationId: string, deps: Deps) {
    const { metrics } = deps;
    this.#deps = deps;
    this.#integrationId = integrationId;
    this.#counts = Object.fromEntries(RESULTS.map((result) => [result, 0])) as Record<Result, number>;
    this.#exported = { ...this.#counts };
    this.#counters = Object.fromEntries(
      RESULTS.map((result) => [result, metrics.messages.labels(integrationId, result)]),
    ) as Record<Result, { inc(by?: number): void }>;
    this.#latency = metrics.latency.labels(integrationId);
    metrics.beforeRead.add(this.#export);
  }

  readonly #export = () => {
    for (const result of RESULTS) {
      this.#counters[result].inc(this.#counts[result] - this.#exported[result]);
      this.#exported[result] = this.#counts[result];
    }
  };

  [Symbol.dispose](): void {
    this.#export();
    this.#deps.metrics.beforeRead.delete(this.#export);
  }

  #count(result: Result, by = 1): void {
    this.#counts[result] += by;
  }

  received(): void {
    this.#count('received');
  }

  delivered({ envelope: { receivedTime } }: InFlight): void {
    this.#count('delivered');
    this.lastFailure = '';
    this.#lastDelivered = this.#deps.clock.now();
    if (receivedTime)
      this.#latency.observe(Math.max(0, this.#lastDelivered - timestampMs(receivedTime)) / 1000);
  }

  failed(message: InFlight, failure: Failure, givenUp: boolean): void {
    const failureClass = classNames.get(failure.failureClass) ?? 'unknown';
    this.#deps.metrics.failures.labels(this.#integrationId, failureClass).inc();
    if (failure.failureClass === FailureClass.TIMEOUT) this.#timedOut++;
    if (!givenUp) this.#retried++;
    this.lastFailure = failure.reason;
    this.#deps.errors.report({
      failureClass: failure.failureClass,
      message: failure.reason,
      topicName: message.envelope.topicName,
      givenUp,
    });
  }

  skipped(): void {
    this.#count('skipped');
  }

  deadLettered(): void {
    this.#count('dead_lettered');
  }

  released(): void {
    this.#count('released');
  }

  undecodable({ topic, partition, offset }: IncomingRecord, why: string): void {
    this.#count('undecodable');
    this.#deps.metrics.undecodable.inc({ topic });
    this.#deps.errors.report({
      failureClass: FailureClass.UNSPECIFIED,
      message: `record ${partition}-${offset} of ${topic} cannot be read and was stepped over: ${why}`,
      topicName: '',
      givenUp: true,
    });
  }

  retentionLost(count: number): void {
    this.#count('retention_lost', count);
    this.#deps.errors.report({
      failureClass: FailureClass.EXPIRED,
      message: `Kafka's retention removed ${count} messages before they were delivered`,
      topicName: '',
      givenUp: true,
    });
  }

  /** Messages taken from Kafka. */
  get taken(): number {
    return this.#counts.received + this.#counts.undecodable;
  }

  /** Messages that need nothing more: delivered, kept as dead letters or skipped. */
  get settled(): number {
    const { delivered, dead_lettered, skipped } = this.#counts;
    return delivered + dead_lettered + skipped;
  }

  /** The figures now; sets the gauges, too. received = delivered + dead-lettered + skipped + in flight, for what this executor still answers for. */
  report(window: Window, lag: number): MessageInitShape<typeof StatisticsReportSchema> {
    const { metrics, clock } = this.#deps;
    const oldest = window.oldest?.envelope.receivedTime;
    const oldestAge = oldest ? Math.max(0, clock.now() - timestampMs(oldest)) : undefined;
    metrics.lag.labels(this.#integrationId).set(lag);
    metrics.oldestAge.labels(this.#integrationId).set((oldestAge ?? 0) / 1000);
    const { received, released, delivered, dead_lettered, skipped, undecodable } = this.#counts;
    return {
      received: BigInt(received - released),
      delivered: BigInt(delivered),
      deadLettered: BigInt(dead_lettered),
      skipped: BigInt(skipped),
      inFlight: BigInt(window.size),
      retried: BigInt(this.#retried),
      timedOut: BigInt(this.#timedOut),
      undecodable: BigInt(undecodable),
      lag: BigInt(lag),
      ...(oldestAge === undefined ? {} : { oldestAge: durationFromMs(oldestAge) }),
      ...(this.#lastDelivered === 0 ? {} : { lastDeliveredTime: timestampFromMs(this.#lastDelivered) }),
    };
  }
}

/** Drops every figure of an integration that this process no longer runs. */
export function forgetStatistics(metrics: Metrics, integration: string): void {
  const { messages, failures, latency, lag, oldestAge } = metrics;
  for (const metric of [latency, lag, oldestAge]) metric.remove({ integration });
  for (const result of RESULTS) messages.remove({ integration, result });
  for (const name of classNames.values()) failures.remove({ integration, class: name });
}
