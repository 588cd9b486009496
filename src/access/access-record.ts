import { fromBinary } from '@bufbuild/protobuf';
import {
  type AccessRecord,
  AccessRecordSchema,
  type TokenGrant,
  TokenGrantSchema,
} from '../../gen/penstock/v1/access_pb.ts';
import type { IncomingRecord } from '../bus/bus.ts';
import { steppingOver } from '../bus/codec.ts';
import { violationsOf } from '../contract/validate.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';

interface Deps {
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/**
 * Reads the records of the API tokens. Each token is judged by itself, and left out when it breaks a rule, or is limited by what
 * only a newer version knows: were the record stepped over, those that were revoked would go on letting callers in. What does not
 * decode at all is answered with `undefined`.
 */
export function accessReader(deps: Deps): (record: IncomingRecord) => AccessRecord | undefined {
  const stepOver = steppingOver('a record', AccessRecordSchema, deps);
  const leaveOut = steppingOver('an API token', TokenGrantSchema, deps);
  return (record) => {
    try {
      const access = fromBinary(AccessRecordSchema, record.value ?? new Uint8Array());
      const tokens = access.tokens.filter((token) => {
        const why = brokenRuleOf(token);
        if (why !== undefined) leaveOut(record, `${token.id}: ${why}`);
        return why === undefined;
      });
      return { ...access, tokens };
    } catch (error) {
      stepOver(record, messageOf(error));
      return undefined;
    }
  };
}

/** Why nobody is let in by this token; undefined: whoever has it is. */
export function brokenRuleOf(token: TokenGrant): string | undefined {
  if (token.scope?.$unknown) return 'scope: has something that this version does not know';
  const [violation] = violationsOf(TokenGrantSchema, token);
  return violation && `${violation.field}: ${violation.description}`;
}
