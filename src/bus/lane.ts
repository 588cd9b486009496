/**
 * What one publisher sends, in its order. Once Kafka does not take a record of it, all that are queued behind that one, and
 * all that come later, are refused with it: written without it they would come before it, when the publisher sends again.
 */
export class Lane {
  /** Why a record was refused; undefined: none was. */
  refusal: Error | undefined;
}
