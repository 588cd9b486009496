import { useEffect, useState } from 'preact/hooks';
import { type Failure, failureOf } from './failures.ts';
import { toLogin } from './use-query.ts';

/** How long an answer may take, in milliseconds. */
const DEADLINE = 8000;
/** How often it is looked whether something is due, in milliseconds. */
const LOOK = 1000;

/** What was answered last. */
export interface Renewed<T> {
  readonly value: T | undefined;
  /** Why it is not newer; undefined: it is as new as it should be. */
  readonly failure: Failure | undefined;
}

/**
 * Asks when the page opens and when something of `inputs` changes, and again every `period` milliseconds: one call at a time,
 * and none while the tab is hidden. What was there stays until there is a newer answer.
 * @param isLast whether nothing newer is to come of an answer: it is not asked again then, until something of `inputs` changes
 */
export function useRenewed<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  inputs: readonly unknown[],
  period: number,
  isLast: (value: T) => boolean = () => false,
): Renewed<T> {
  const [answer, setAnswer] = useState<{ value?: T; failure?: Failure }>({});
  useEffect(() => {
    const unwanted = new AbortController();
    let isAsking = false;
    let isOver = false;
    let askedAt = Number.NEGATIVE_INFINITY;
    const look = async () => {
      if (document.hidden || isAsking || isOver || performance.now() - askedAt < period) return;
      isAsking = true;
      askedAt = performance.now();
      try {
        const value = await ask(AbortSignal.any([unwanted.signal, AbortSignal.timeout(DEADLINE)]));
        if (unwanted.signal.aborted) return;
        isOver = isLast(value);
        setAnswer({ value });
      } catch (error) {
        if (unwanted.signal.aborted) return;
        const failure = failureOf(error);
        if (failure.needsLogin) toLogin();
        setAnswer((before) => ({ ...before, failure }));
      } finally {
        isAsking = false;
      }
    };
    void look();
    const timer = setInterval(look, LOOK);
    document.addEventListener('visibilitychange', look);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
      unwanted.abort();
    };
  }, [...inputs, period]);
  return { value: answer.value, failure: answer.failure };
}
