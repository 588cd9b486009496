const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What of the history is shown, by its name in the URL. `seconds` long; asked for again every `renewal` milliseconds. */
export const RANGES = {
  '15m': { text: '15 min', seconds: 15 * MINUTE, renewal: 10_000 },
  '1h': { text: '1 h', seconds: HOUR, renewal: 10_000 },
  '6h': { text: '6 h', seconds: 6 * HOUR, renewal: 20_000 },
  '24h': { text: '24 h', seconds: DAY, renewal: 60_000 },
  '7d': { text: '7 d', seconds: 7 * DAY, renewal: 60_000 },
} as const;
export type Range = keyof typeof RANGES;
export const RANGE_NAMES = Object.keys(RANGES) as Range[];
export const USUAL_RANGE: Range = '1h';

/** @param name as the URL has it; null: nothing */
export const rangeOf = (name: string | null): Range => RANGE_NAMES.find((one) => one === name) ?? USUAL_RANGE;

/**
 * From when on a range is asked for, in seconds since 1970. A minute less than it is long: what is just older than the finest
 * buckets go would make all of them wider, and the server widens it to whole buckets.
 * @param now in milliseconds
 */
export const startOf = (range: Range, now: number): number =>
  Math.floor(now / 1000) - RANGES[range].seconds + MINUTE;
