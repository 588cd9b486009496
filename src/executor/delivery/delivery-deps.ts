import type { Clock } from '../../runtime/clock.ts';
import type { Failure, Handler, PackLimits } from '../handlers/handler.ts';
import type { DeliveryEvents } from './delivery-events.ts';
import type { Policy } from './policy.ts';
import type { InFlight, Window } from './window.ts';

/** What a delivery works with. */
export interface DeliveryDeps {
  readonly window: Window;
  readonly handler: Handler;
  readonly pack: PackLimits;
  readonly policy: Policy;
  readonly events: DeliveryEvents;
  /** Keeps a message that is given up. Tries until it is kept; rejects only when `signal` aborts. */
  deadLetter(message: InFlight, failure: Failure, signal: AbortSignal): Promise<void>;
  /** Whether the partitions are still this executor's for sure. */
  holdsLease(): boolean;
  readonly clock: Clock;
  random(): number;
}
