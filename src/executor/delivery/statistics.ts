import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { StatisticsReportSchema } from '../../../gen/penstock/v1/uplink_pb.ts';
import type { IncomingRecord } from '../../bus/bus.ts';
import type { Clock } from '../../runtime/clock.ts';
import {
  type Backlog,
  type IntegrationFigures,
  RESULTS,
  type Result,
} from '../../runtime/integration-metrics.ts';
import { LATENCY_BUCKETS, latencyBucket } from '../../runtime/latency.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Failure } from '../handlers/handler.ts';
import type { ErrorReports } from '../uplink/error-reports.ts';
import type { DeliveryEvents } from './delivery-events.ts';
import type { IntakeEvents } from './intake.ts';
import type { InFlight, Window } from './window.ts';

const classNames = new Map(
  Object.entries(FailureClass).map(([name, value]) => [value, name.toLowerCase().replaceAll('_', '-')]),
) as ReadonlyMap<FailureClass, string>;

interface Deps {
  readonly metrics: Metrics;
  readonly errors: ErrorReports;
  readonly clock: Clock;
}

/** Which part of what it counts for. */
export interface CountedIntegration {
  readonly id: string;
  readonly type: string;
}

/** Counts what happens to an integration's messages on this executor, and passes failures on to the error reports. */
export class Statistics implements DeliveryEvents, IntakeEvents, Disposable {
  readonly #deps: Deps;
  readonly #counts: Record<Result, number>;
  /** What Prometheus gets: of every run of every part that was here. */
  readonly #figures: IntegrationFigures;
  /** Looked up once: finding a metric by its labels for each message is dear. */
  readonly #latency: { observe(seconds: number): void };
  #backlog: Backlog = { lag: 0, oldestAge: 0 };
  #settledBefore = 0;
  #retried = 0;
  #timedOut = 0;
  /** Deliveries by how long they took; see `latencyBucket`. */
  readonly #latencies: number[] = new Array(LATENCY_BUCKETS).fill(0);
  readonly #failures = new Map<FailureClass, number>();
  readonly #startTime: number;
  /** When the figures were looked at before, by the monotonic clock. */
  #lookedAt: number;
  #lastDelivered = 0;
  /** Why a message last failed; empty: none did since one was delivered. */
  lastFailure = '';

  constructor({ id, type }: CountedIntegration, deps: Deps) {
    const { metrics, clock } = deps;
    this.#deps = deps;
    this.#startTime = clock.now();
    this.#lookedAt = clock.monotonic();
    this.#counts = Object.fromEntries(RESULTS.map((result) => [result, 0])) as Record<Result, number>;
    this.#figures = metrics.integrations.of(id);
    this.#latency = metrics.latency.labels(type);
    this.#figures.backlogs.add(this.#backlog);
  }

  [Symbol.dispose](): void {
    this.#figures.backlogs.delete(this.#backlog);
  }

  #count(result: Result, by = 1): void {
    this.#counts[result] += by;
    this.#figures.messages[result] += by;
  }

  received(): void {
    this.#count('received');
  }

  delivered({ envelope: { receivedTime } }: InFlight): void {
    this.#count('delivered');
    this.lastFailure = '';
    this.#lastDelivered = this.#deps.clock.now();
    if (!receivedTime) return;
    const seconds = Math.max(0, this.#lastDelivered - timestampMs(receivedTime)) / 1000;
    this.#latency.observe(seconds);
    this.#latencies[latencyBucket(seconds)]!++;
    this.#figures.deliverySeconds += seconds;
  }

  failed(message: InFlight, failure: Failure, givenUp: boolean): void {
    this.#figures.failed(classNames.get(failure.failureClass) ?? 'unknown');
    this.#failures.set(failure.failureClass, (this.#failures.get(failure.failureClass) ?? 0) + 1);
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

  settledBefore(): void {
    this.#settledBefore++;
  }

  /** Messages taken from Kafka. */
  get taken(): number {
    const { received, undecodable } = this.#counts;
    return received + undecodable + this.#settledBefore;
  }

  /** Messages that need nothing more: delivered, kept as dead letters or skipped. */
  get settled(): number {
    const { delivered, dead_lettered, skipped } = this.#counts;
    return delivered + dead_lettered + skipped;
  }

  /** The figures now; sets the gauges, too. received = delivered + dead-lettered + skipped + in flight, for what this executor still answers for. */
  report(window: Window, lag: number): MessageInitShape<typeof StatisticsReportSchema> {
    const oldest = window.oldest?.envelope.receivedTime;
    const oldestAge = oldest ? Math.max(0, this.#deps.clock.now() - timestampMs(oldest)) : undefined;
    this.#figures.backlogs.delete(this.#backlog);
    this.#backlog = { lag, oldestAge: oldestAge ?? 0 };
    this.#figures.backlogs.add(this.#backlog);
    const { received, released, delivered, dead_lettered, skipped, undecodable, retention_lost } =
      this.#counts;
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
      ...this.#sinceStart(),
      released: BigInt(released),
      retentionLost: BigInt(retention_lost),
      ...(oldestAge === undefined ? {} : { oldestAge: durationFromMs(oldestAge) }),
      ...(this.#lastDelivered === 0 ? {} : { lastDeliveredTime: timestampFromMs(this.#lastDelivered) }),
    };
  }

  #sinceStart() {
    const now = this.#deps.clock.monotonic();
    const interval = now - this.#lookedAt;
    this.#lookedAt = now;
    const last = this.#latencies.findLastIndex((count) => count > 0);
    return {
      latencyCounts: this.#latencies.slice(0, last + 1).map(BigInt),
      failures: [...this.#failures].map(([failureClass, count]) => ({ failureClass, count: BigInt(count) })),
      startTime: timestampFromMs(this.#startTime),
      interval: durationFromMs(Math.round(interval)),
    };
  }
}
