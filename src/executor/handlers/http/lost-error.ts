/** The connection was lost that a request had left by, before it was answered. */
export class LostError extends Error {
  override readonly name = 'LostError';
  /** Whether other requests were on it, too. */
  readonly isShared: boolean;

  constructor(cause: Error, isShared: boolean) {
    super(cause.message, { cause });
    this.isShared = isShared;
  }
}
