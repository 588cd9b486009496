import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type CancelTimer, type Clock, sleepOn, systemClock } from '../../src/runtime/clock.ts';

/** The system's clock, which knows how many timers are set. */
export class CountingClock implements Clock {
  readonly #timers = new Set<object>();

  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return systemClock.now();
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  setTimer(callback: () => void, ms: number, options?: { unref?: boolean }): CancelTimer {
    const timer = {};
    this.#timers.add(timer);
    const cancel = systemClock.setTimer(
      () => {
        this.#timers.delete(timer);
        callback();
      },
      ms,
      options,
    );
    return () => {
      this.#timers.delete(timer);
      cancel();
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }
}

/** What keeps this process alive: sockets, timers and the like, how many of each. */
export function openResources(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** Bytes that are reachable, in the heap and in buffers. */
export async function reachableBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve)); // what finalizers let go of
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
