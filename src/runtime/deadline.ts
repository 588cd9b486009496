import type { Clock } from './clock.ts';
import { untilAborted } from './until-aborted.ts';

/** Something did not end in its time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/**
 * The promise's end, or a `DeadlineError` after `ms` milliseconds, or the signal's reason when that aborts first. The work
 * itself goes on: give it a signal of its own where it can be stopped.
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  what: string,
  work: Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  using deadline = timeoutSignal(clock, ms, what, signal);
  return await untilAborted(work, deadline.signal);
}

/**
 * A signal that aborts with a `DeadlineError` after `ms` milliseconds, or with the parent when that aborts first. Dispose
 * it when the work is done: the timer and the listener at the parent go with it.
 */
export function timeoutSignal(
  clock: Clock,
  ms: number,
  what: string,
  parent?: AbortSignal,
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const cancel = clock.setTimer(
    () => controller.abort(new DeadlineError(`${what}: no answer within ${ms} ms`)),
    ms,
  );
  const abort = () => {
    cancel();
    controller.abort(parent?.reason);
  };
  if (parent?.aborted) abort();
  parent?.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      cancel();
      parent?.removeEventListener('abort', abort);
    },
  };
}
