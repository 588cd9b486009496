/** Wakes one watcher, or ends it. */
export class Bell {
  #wake: (() => void) | undefined;
  #isRung = false;
  #error: unknown;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** The watcher ends with this as soon as it asks again. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.ring();
  }

  throwIfFailed(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Resolves when it was rung since the last time; rejects when the watcher is to end, or the signal aborts. */
  async rung(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isRung) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      signal.addEventListener('abort', resolve as () => void, { once: true });
      await promise;
      this.#wake = undefined;
      signal.removeEventListener('abort', resolve as () => void);
    }
    this.#isRung = false;
    signal.throwIfAborted();
    this.throwIfFailed();
  }
}
