import { type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type UplinkRecord, UplinkRecordSchema } from '../../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { uplinkRecord } from '../../bus/uplink-record.ts';
import { backoffPause } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';

const RETRY = { initial: 500, max: 10_000 };

/** What a report speaks of. */
export interface Subject {
  readonly integrationId: string;
  readonly shard: number;
  readonly generation: bigint;
}

export type Report = Exclude<MessageInitShape<typeof UplinkRecordSchema>['report'], undefined>;

interface Deps {
  readonly bus: Pick<Bus, 'send'>;
  readonly topics: Topics;
  readonly serviceId: string;
  /** When this node was started; wall-clock time in milliseconds. */
  readonly startTime: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  random(): number;
}

/** Sends reports to the control plane. */
export class Reporter {
  readonly #deps: Deps;
  readonly #stop = new AbortController();
  /** The newest lifecycle report of each integration that Kafka does not have yet. */
  readonly #pending = new Map<string, UplinkRecord>();
  /** The keys of `#pending` that are being sent, and the end of each. */
  readonly #sending = new Map<string, Promise<void>>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Reports a change of life. Tried until Kafka has it or a newer one takes its place: the status rests on it. */
  lifecycle(subject: Subject, value: Extract<Report, { case: 'lifecycle' }>['value']): void {
    const key = `${subject.integrationId}/${subject.shard}`;
    this.#pending.set(key, this.#record(subject, { case: 'lifecycle', value }));
    if (!this.#sending.has(key)) this.#sending.set(key, this.#sendPending(key));
  }

  /** Reports errors or figures. One that Kafka does not take is counted and dropped: the next says more. */
  tell(subject: Subject, report: Report): void {
    const { logger, metrics } = this.#deps;
    this.#send(this.#record(subject, report)).catch((error) => {
      metrics.suppressed.inc({ kind: report.case ?? 'unknown' });
      logger.warn('a report was not sent', { integration: subject.integrationId, error: messageOf(error) });
    });
  }

  #record(subject: Subject, report: Report): UplinkRecord {
    const { serviceId, startTime, clock } = this.#deps;
    const nodeStartTime = timestampFromMs(startTime);
    return uplinkRecord(serviceId, clock, { ...subject, nodeStartTime, report });
  }

  async #sendPending(key: string): Promise<void> {
    const { clock, logger, random } = this.#deps;
    for (let attempt = 1; ; attempt++) {
      const record = this.#pending.get(key);
      if (!record || this.#stop.signal.aborted) break;
      try {
        await this.#send(record);
        if (this.#pending.get(key) === record) this.#pending.delete(key);
        attempt = 0;
      } catch (error) {
        logger.warn('a lifecycle report is not sent yet, trying again', { error: messageOf(error) });
        await clock.sleep(backoffPause(RETRY, attempt, random()), this.#stop.signal).catch(() => {});
      }
    }
    this.#sending.delete(key); // at once: a report that comes now needs a sender of its own
  }

  #send(record: UplinkRecord): Promise<void> {
    const { bus, topics } = this.#deps;
    return bus.send(topics.uplink.name, {
      key: record.integrationId,
      value: toBinary(UplinkRecordSchema, record),
    });
  }

  /** Waits `grace` milliseconds for the lifecycle reports that are on their way. */
  async stop(grace: number): Promise<void> {
    const cancel = this.#deps.clock.setTimer(() => this.#stop.abort(), grace);
    await Promise.race([Promise.all(this.#sending.values()), aborted(this.#stop.signal)]);
    cancel();
    this.#stop.abort();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
