import { useEffect, useState } from 'preact/hooks';
import { open } from '../app/location.ts';
import { type Failure, failureOf } from './failures.ts';

/** An answer, as far as it is there. What was there stays while it is asked for again. */
export interface Asked<T> {
  readonly value: T | undefined;
  readonly failure: Failure | undefined;
  /** Asks again. */
  readonly reload: () => void;
}

/**
 * Asks when the page opens, and again when something of `inputs` changes; what came too late is not shown.
 * @param ask is called with a signal that aborts when the answer is not wanted any more
 */
export function useQuery<T>(ask: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Asked<T> {
  const [answer, setAnswer] = useState<Answer<T>>({});
  const [times, setTimes] = useState(0);
  useEffect(() => {
    const unwanted = new AbortController();
    // Why something else could not be had, or this before, is of the past.
    setAnswer((before) => (before.failure ? withoutFailure(before) : before));
    ask(unwanted.signal).then(
      (value) => {
        if (!unwanted.signal.aborted) setAnswer({ value });
      },
      (error) => {
        if (unwanted.signal.aborted) return;
        const failure = failureOf(error);
        if (failure.needsLogin) toLogin();
        setAnswer((before) => ({ ...withoutFailure(before), failure }));
      },
    );
    return () => unwanted.abort();
  }, [...inputs, times]);
  return { value: answer.value, failure: answer.failure, reload: () => setTimes((n) => n + 1) };
}

interface Answer<T> {
  readonly value?: T;
  readonly failure?: Failure;
}

const withoutFailure = <T>(answer: Answer<T>): Answer<T> =>
  'value' in answer ? { value: answer.value } : {};

/** To where one logs in, and from there back. */
export function toLogin(): void {
  if (location.pathname === '/login') return;
  open(`/login?next=${encodeURIComponent(location.pathname + location.search)}`, { replace: true });
}
