import type { Failure } from '../handlers/handler.ts';
import type { InFlight } from './window.ts';

/** What happens to messages, told once each: counts and reports hang here. */
export interface DeliveryEvents {
  received(): void;
  delivered(message: InFlight): void;
  /** A try failed; `givenUp`: it was the last. */
  failed(message: InFlight, failure: Failure, givenUp: boolean): void;
  /** Given up and not kept, by the policy. */
  skipped(): void;
  deadLettered(): void;
  /** Its partition went to another executor, which delivers it. */
  released(): void;
}
