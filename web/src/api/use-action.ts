import { useState } from 'preact/hooks';
import { type Failure, failureOf } from './failures.ts';

export interface Action<A extends readonly unknown[]> {
  readonly run: (...args: A) => void;
  readonly isRunning: boolean;
  readonly failure: Failure | undefined;
}

/** A call that somebody makes by a button: one at a time. */
export function useAction<A extends readonly unknown[], T>(
  call: (...args: A) => Promise<T>,
  onDone: (answer: T) => void = () => {},
): Action<A> {
  const [isRunning, setRunning] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const run = (...args: A) => {
    if (isRunning) return;
    setRunning(true);
    setFailure(undefined);
    call(...args)
      .then(onDone, (error) => setFailure(failureOf(error)))
      .finally(() => setRunning(false));
  };
  return { run, isRunning, failure };
}
