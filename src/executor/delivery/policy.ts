import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import {
  AckStrategy,
  type DeliveryPolicy,
  type DeliveryPolicySchema,
} from '../../../gen/penstock/v1/delivery_pb.ts';

/** How an integration's messages are delivered, with every default filled in. Times in milliseconds. */
export interface Policy {
  readonly strategy: 'SKIP_ALL' | 'RETRY_ALL';
  /** 0 = without end. */
  readonly retries: number;
  readonly pauseBetweenRetries: number;
  readonly maxPause: number;
  readonly packProcessingTimeout: number;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly deadLetter: boolean;
  /** A message that has passed through so many integrations goes round in a loop. */
  readonly maxHops: number;
}

/** The integration's policy; what it leaves unset comes from the executor's settings. */
export function resolvePolicy(policy: DeliveryPolicy | undefined, defaults: Policy): Policy {
  const pauseBetweenRetries = policy?.pauseBetweenRetries
    ? durationMs(policy.pauseBetweenRetries)
    : defaults.pauseBetweenRetries;
  const maxPause = policy?.maxPause ? durationMs(policy.maxPause) : defaults.maxPause;
  return {
    strategy: strategyOf(policy?.ackStrategy) ?? defaults.strategy,
    retries: policy?.retries ?? defaults.retries,
    pauseBetweenRetries,
    maxPause: Math.max(maxPause, pauseBetweenRetries),
    packProcessingTimeout: policy?.packProcessingTimeout
      ? durationMs(policy.packProcessingTimeout)
      : defaults.packProcessingTimeout,
    maxInFlight: policy?.maxInFlight ?? defaults.maxInFlight,
    maxInFlightBytes: defaults.maxInFlightBytes,
    deadLetter: policy?.deadLetter ?? defaults.deadLetter,
    maxHops: defaults.maxHops,
  };
}

/** What a field can hold: settings may go beyond it. */
const [MAX_UINT32, MAX_DURATION] = [0xffff_ffff, 315_576_000_000_000];

/** The executor's settings as a policy that leaves nothing open. */
export function defaultsAsPolicy(defaults: Policy): MessageInitShape<typeof DeliveryPolicySchema> {
  const duration = (ms: number) => durationFromMs(Math.min(ms, MAX_DURATION));
  return {
    ackStrategy: AckStrategy[defaults.strategy],
    retries: Math.min(defaults.retries, MAX_UINT32),
    pauseBetweenRetries: duration(defaults.pauseBetweenRetries),
    maxPause: duration(Math.max(defaults.maxPause, defaults.pauseBetweenRetries)),
    packProcessingTimeout: duration(defaults.packProcessingTimeout),
    maxInFlight: defaults.maxInFlight,
    order: { key: { case: 'clientId', value: {} } },
    maxExecutors: 1,
    deadLetter: defaults.deadLetter,
  };
}

function strategyOf(strategy: AckStrategy | undefined): Policy['strategy'] | undefined {
  if (strategy === AckStrategy.SKIP_ALL) return 'SKIP_ALL';
  if (strategy === AckStrategy.RETRY_ALL) return 'RETRY_ALL';
  return undefined;
}
