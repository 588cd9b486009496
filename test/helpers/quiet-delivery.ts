import type { DeliveryEvents } from '../../src/executor/delivery/delivery-events.ts';
import type { Policy } from '../../src/executor/delivery/policy.ts';

/** Tries without end, and bounds hardly anything. */
export const POLICY: Policy = {
  strategy: 'RETRY_ALL',
  retries: 0,
  pauseBetweenRetries: 100,
  maxPause: 100,
  packProcessingTimeout: 1e6,
  maxInFlight: 100,
  maxInFlightBytes: 1e9,
  deadLetter: true,
  maxHops: 8,
};

const ignore = () => {};

/** Hears of nothing. */
export const QUIET: DeliveryEvents = {
  received: ignore,
  delivered: ignore,
  failed: ignore,
  skipped: ignore,
  deadLettered: ignore,
  released: ignore,
};
