import { type Failure, failureOf } from '../../api/failures.ts';

/** So many calls at a time. */
const AT_ONCE = 4;

export interface Named {
  readonly id: string;
  readonly name: string;
}

/** How far something is that is done with many. */
export interface BulkRun {
  readonly total: number;
  readonly done: number;
  readonly failed: readonly { readonly one: Named; readonly failure: Failure }[];
  readonly isRunning: boolean;
}

/**
 * Does something with each, four at a time; what fails does not hold up the others. What was not begun when `signal` aborts stays
 * as it is.
 * @param tell is told after each
 */
export async function runBulk<T extends Named>(
  all: readonly T[],
  call: (one: T) => Promise<unknown>,
  tell: (run: BulkRun) => void,
  signal: AbortSignal,
): Promise<void> {
  let done = 0;
  const failed: BulkRun['failed'][number][] = [];
  const left = all[Symbol.iterator]();
  const told = (isRunning: boolean) => tell({ total: all.length, done, failed: [...failed], isRunning });
  const work = async () => {
    for (const one of left) {
      if (signal.aborted) return;
      try {
        await call(one);
        done++;
      } catch (error) {
        failed.push({ one, failure: failureOf(error) });
      }
      told(true);
    }
  };
  told(true);
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  told(false);
}
