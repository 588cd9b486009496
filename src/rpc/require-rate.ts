import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { RateLimit } from '../runtime/rate-limit.ts';
import { detail, failed, type RpcError } from './error.ts';

interface Asked {
  /** In the plural, such as `connection checks`. */
  readonly what: string;
  /** Who asks: each keeps the rate for itself. */
  readonly by: readonly string[];
}

/**
 * Counts what is asked for against its rate.
 * @throws RpcError RESOURCE_EXHAUSTED, RATE_LIMITED, with a RetryInfo, when one of them asks too often; then it counts for none
 */
export function requireRate(
  rate: RateLimit,
  { what, by }: Asked,
  { callsRefused }: Pick<Metrics, 'callsRefused'>,
): void {
  const wait = rate.take(...by);
  if (wait === 0) return;
  callsRefused.inc({ reason: 'rate' });
  const text = `too many ${what} from you or your address: ask again in ${Math.ceil(wait / 1000)} s`;
  throw rateLimited(wait, text);
}

/** RESOURCE_EXHAUSTED; `wait` is how many milliseconds from now the same is let through. */
export function rateLimited(wait: number, text: string): RpcError {
  const retry = detail(RetryInfoSchema, { retryDelay: durationFromMs(wait) });
  return failed(Code.RESOURCE_EXHAUSTED, 'RATE_LIMITED', text, { details: [retry] });
}
