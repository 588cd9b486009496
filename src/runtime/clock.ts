/** Time, injected so that tests can drive it. The only place that may touch timers and the system's clocks. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970. For people and records, never for deadlines. */
  now(): number;
  /** Milliseconds of a clock that never leaps. For deadlines, ages and leases. */
  monotonic(): number;
  /** Calls back once, after `ms`; the answer cancels it. The timer does not keep the process alive when `unref`. */
  setTimer(callback: () => void, ms: number, options?: { unref?: boolean }): CancelTimer;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export type CancelTimer = () => void;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(callback, ms, options) {
    const timer = setTimeout(callback, ms);
    if (options?.unref) timer.unref();
    return () => clearTimeout(timer);
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/** A `sleep` for any clock, out of its `setTimer`. */
export function sleepOn(clock: Pick<Clock, 'setTimer'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.setTimer(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
