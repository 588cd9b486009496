/** A request had left, and its connection was lost before it was answered, or of HTTP/2 its stream. */
export class LostError extends Error {
  override readonly name = 'LostError';
  /** Whether the connection was lost, with other requests on it, too. */
  readonly isShared: boolean;

  constructor(cause: Error, isShared: boolean) {
    super(cause.message, { cause });
    this.isShared = isShared;
  }
}
