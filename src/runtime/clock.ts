import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Time, injected so that tests can drive it. The only place that may touch timers and the system's clocks. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970. For people and records, never for deadlines. */
  now(): number;
  /** Milliseconds of a clock that never leaps. For deadlines and ages. */
  monotonic(): number;
  /**
   * Milliseconds of a clock that goes on while the machine is suspended: for leases, which end for everybody else meanwhile.
   * It may leap forward, as the wall clock does, and never back.
   */
  lease(): number;
  /** Calls back once, after `ms`; the answer cancels it. The timer does not keep the process alive when `unref`. */
  setTimer(callback: () => void, ms: number, options?: { unref?: boolean }): CancelTimer;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export type CancelTimer = () => void;

/** How far the wall clock may go astray before it counts as a leap, in milliseconds. */
const TOLERANCE = 100;

/**
 * A clock for leases out of two: while the machine is suspended the monotonic one stands still, and the wall clock is set
 * forward at the end of it. Where the wall clock is set for another reason, a lease ends too early, and never too late.
 */
export function leaseClock({ now, monotonic }: Pick<Clock, 'now' | 'monotonic'>): () => number {
  let ahead = now() - monotonic();
  let suspended = 0;
  return () => {
    const awake = monotonic();
    const leap = now() - awake - ahead;
    if (Math.abs(leap) > TOLERANCE) {
      ahead += leap;
      suspended += Math.max(0, leap);
    }
    return awake + suspended;
  };
}

const [now, monotonic] = [() => Date.now(), () => performance.now()];

export const systemClock: Clock = {
  now,
  monotonic,
  lease: leaseClock({ now, monotonic }),
  setTimer(callback, ms, options) {
    const timer = setTimeout(callback, ms);
    if (options?.unref) timer.unref();
    return () => clearTimeout(timer);
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/** How often it is looked whether the event loop is held up, in milliseconds. */
const LOOP_RESOLUTION = 20;

/** Watches the event loop of this process. */
export interface EventLoopWatch extends Disposable {
  /** The longest that it was held up since this was asked last, in milliseconds. */
  longestDelay(): number;
}

export function watchEventLoop(): EventLoopWatch {
  const delays = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION });
  delays.enable();
  return {
    longestDelay() {
      const longest = delays.max / 1e6 - LOOP_RESOLUTION; // between two looks
      const isKnown = delays.count > 0;
      delays.reset();
      return isKnown ? Math.max(0, longest) : 0;
    },
    [Symbol.dispose]() {
      delays.disable();
    },
  };
}

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
