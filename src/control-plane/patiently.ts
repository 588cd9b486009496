import type { Clock } from '../runtime/clock.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';

const PAUSE = 500;
const PROGRESS_INTERVAL = 5000;

export interface Patience {
  /** What is waited for, for log lines. */
  readonly name: string;
  /** How long, in milliseconds. */
  readonly time: number;
  /** Whether waiting does not cure this. */
  isHopeless?(error: unknown): boolean;
  /** Ends the waiting, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Tries until it works, for servers that come up after this node. Rejects with the last failure when there is no more hope. */
export async function patiently<T>(
  { name, time, isHopeless = () => false, signal }: Patience,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  work: () => Promise<T>,
): Promise<T> {
  const end = clock.monotonic() + time;
  for (let nextProgress = clock.monotonic(); ; ) {
    try {
      return await work();
    } catch (error) {
      if (isHopeless(error) || clock.monotonic() >= end) throw error;
      if (clock.monotonic() >= nextProgress) {
        nextProgress = clock.monotonic() + PROGRESS_INTERVAL;
        logger.info(`waiting for ${name}`, { why: messageOf(error) });
      }
    }
    await clock.sleep(PAUSE, signal);
  }
}
