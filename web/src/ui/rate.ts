const MAX = 1_000_000;

/** How many messages in a second, as it is typed; empty: 0, which the server takes for its default. */
export function readRate(text: string): {
  readonly value: number | undefined;
  readonly problem: string | undefined;
} {
  if (text.trim() === '') return { value: 0, problem: undefined };
  const value = /^\s*\d{1,7}\s*$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= MAX) return { value, problem: undefined };
  return { value: undefined, problem: 'must be a whole number from 1 to 1000000' };
}
