import type { TestContext } from 'node:test';
import { Delivery } from '../../src/executor/delivery/delivery.ts';
import type { Policy } from '../../src/executor/delivery/policy.ts';
import type { InFlight } from '../../src/executor/delivery/window.ts';
import { Window } from '../../src/executor/delivery/window.ts';
import type { Failure, HandlerContext, Outbound } from '../../src/executor/handlers/handler.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { bound, connected } from './handler.ts';
import { onEnd } from './on-end.ts';
import type { Configuration } from './peer.ts';
import { waitUntil } from './wait-until.ts';

/** Payloads that were told delivered, or given up with the reason, and how many tries failed. */
export interface Told {
  readonly delivered: string[];
  readonly givenUp: Map<string, string>;
  failures: number;
}

const MAX_IN_FLIGHT = 64;

/**
 * The executor's own delivery over a connected handler: full packs, as many at a time as the handler takes, a lane for
 * each client, failed messages again after a short pause, packs that are refused as a whole by halves.
 */
export async function engine(
  t: TestContext,
  configuration: Configuration,
  context?: Partial<HandlerContext>,
  own: Partial<Policy> = {},
) {
  const handler = await connected(t, configuration, { maxInFlight: MAX_IN_FLIGHT, ...context });
  const told: Told = { delivered: [], givenUp: new Map(), failures: 0 };
  const payload = ({ envelope }: Outbound) => Buffer.from(envelope.payload).toString();
  const policy: Policy = {
    strategy: 'RETRY_ALL',
    retries: 0,
    pauseBetweenRetries: 20,
    maxPause: 200,
    packProcessingTimeout: 10_000,
    maxInFlight: MAX_IN_FLIGHT,
    maxInFlightBytes: Number.POSITIVE_INFINITY,
    deadLetter: true,
    maxHops: 8,
    ...own,
  };
  const delivery = new Delivery({
    handler,
    window: new Window(policy, new ByteLimit(Number.POSITIVE_INFINITY)),
    holdsLease: () => true,
    pack: bound(configuration).pack(),
    policy,
    events: {
      received() {},
      delivered: (message: InFlight) => told.delivered.push(payload(message)),
      failed() {
        told.failures++;
      },
      skipped() {},
      deadLettered() {},
      released() {},
    },
    async deadLetter(message: InFlight, { reason }: Failure) {
      told.givenUp.set(payload(message), reason);
    },
    clock: systemClock,
    random: Math.random,
  });
  onEnd(t, () => delivery.stop(0));
  let offset = 0;
  return {
    told,
    /** Takes a message in, as soon as there is space. */
    async take({ envelope }: Outbound): Promise<void> {
      while (!delivery.hasSpace(0)) await delivery.changed();
      delivery.take(0, offset++, envelope.clientId, envelope, new Uint8Array());
    },
    /** Everything that was taken in is delivered or given up. */
    settled: () => waitUntil('everything is settled', () => delivery.window.size === 0, 45_000),
  };
}
