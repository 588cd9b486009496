import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { violationsOf } from '../contract/validate.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { IncomingRecord } from './bus.ts';

interface Deps {
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Counts what cannot be read, and logs it the first time for each topic. */
export function steppingOver(
  what: string,
  schema: DescMessage,
  deps: Deps,
): (record: IncomingRecord, why: string) => void {
  const reported = new Set<string>();
  return ({ topic, partition, offset }, why) => {
    deps.metrics.undecodable.inc({ topic });
    if (reported.has(topic)) return;
    reported.add(topic);
    deps.logger.warn(`stepped over ${what} that cannot be read; more on this topic are only counted`, {
      topic,
      partition,
      offset,
      schema: schema.typeName,
      why,
    });
  };
}

/**
 * Reads records of one schema. What does not decode, or breaks the schema's rules, is counted, logged the first time for
 * each topic, and answered with `undefined`: the caller steps over it. What is wrong with fields that `isJudged` does not
 * take in, by their paths, is the caller's affair.
 */
export function decoder<D extends DescMessage>(
  schema: D,
  deps: Deps,
  isJudged: (field: string) => boolean = () => true,
): (record: IncomingRecord) => MessageShape<D> | undefined {
  const stepOver = steppingOver('a record', schema, deps);
  return (record) => {
    try {
      const message = fromBinary(schema, record.value ?? new Uint8Array());
      const violation = violationsOf(schema, message).find(({ field }) => isJudged(field));
      if (violation === undefined) return message;
      stepOver(record, `${violation.field}: ${violation.description}`);
    } catch (error) {
      stepOver(record, messageOf(error));
    }
    return undefined;
  };
}
