/** How pauses between tries grow: doubling from `initial` to `max` milliseconds, with jitter. */
export interface Backoff {
  readonly initial: number;
  readonly max: number;
}

/**
 * The pause in milliseconds before try number `attempt` + 1 (1 = after the first failure): between half of and the whole
 * doubled pause, so that many who failed together do not come back together.
 * @param random a number in [0, 1)
 */
export function backoffPause(backoff: Backoff, attempt: number, random: number): number {
  const whole = Math.min(backoff.max, backoff.initial * 2 ** Math.min(attempt - 1, 30));
  return whole / 2 + (random * whole) / 2;
}
