import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type CancelTimer, type Clock, sleepOn, systemClock } from '../../src/runtime/clock.ts';
import { waitUntil } from './wait-until.ts';

/** A day of an integration that starts anew each five minutes, the default of INTEGRATIONS_REINIT_FREQUENCY_MS. */
const DAY = (24 * 60) / 5;
/** Not measured: what is made once and kept, such as compiled code and caches of names, is made in this time. */
const WARM_UP = DAY / 4;
/** Kept each time, at most: a handler that is kept takes 6 to 24 KiB, noise and what a peer writes down up to 2. */
const BYTES = 4 * 1024;

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

  lease(): number {
    return systemClock.lease();
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
function openResources(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** Bytes that are reachable, in the heap and in buffers, once what was let go of is gone. */
async function reachableBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 10; tries++) {
    await sleep(50); // connections end, finalizers run
    collect();
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

/**
 * Runs `once` as often as an integration may start anew in a day, and fails when something is left of it afterwards:
 * sockets, timers, listeners of the signal, memory.
 */
export async function leavesNothing(
  t: TestContext,
  once: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { signal } = new AbortController();
  for (let i = 0; i < WARM_UP; i++) await once(signal);
  const before = openResources();
  const bytes = await reachableBytes();
  for (let i = 0; i < DAY; i++) await once(signal);
  await waitUntil('no more is open than before', () =>
    Object.entries(openResources()).every(([name, count]) => count <= (before[name] ?? 0)),
  ).catch(() => assert.deepEqual(openResources(), before));
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
  const grown = Math.round(((await reachableBytes()) - bytes) / DAY);
  t.diagnostic(`${DAY} times: ${grown} bytes each`);
  assert.ok(grown < BYTES, `${grown} bytes were kept each time`);
}
