import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { violationsOf } from '../contract/validate.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { IncomingRecord } from './bus.ts';

/**
 * Reads records of one schema. What does not decode, or breaks the schema's rules, is counted, logged the first time for
 * each topic, and answered with `undefined`: the caller steps over it. What is wrong with fields that `isJudged` does not
 * take in, by their paths, is the caller's affair.
 */
export function decoder<D extends DescMessage>(
  schema: D,
  deps: { readonly metrics: Metrics; readonly logger: Logger },
  isJudged: (field: string) => boolean = () => true,
): (record: IncomingRecord) => MessageShape<D> | undefined {
  const reported = new Set<string>();
  const stepOver = ({ topic, partition, offset }: IncomingRecord, why: string) => {
    deps.metrics.undecodable.inc({ topic });
    if (reported.has(topic)) return;
    reported.add(topic);
    deps.logger.warn('stepped over a record that cannot be read; more on this topic are only counted', {
      topic,
      partition,
      offset,
      schema: schema.typeName,
      why,
    });
  };
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
