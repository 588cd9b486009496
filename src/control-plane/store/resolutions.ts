const HOUR = 3600;

/** How long the rows of the history are, and up to which age each is as fine; both in seconds. */
export const RESOLUTIONS = [
  { width: 60, age: 6 * HOUR },
  { width: 600, age: 7 * 24 * HOUR },
  { width: HOUR, age: Number.POSITIVE_INFINITY },
] as const;

/** All widths, as SQL lists them. */
export const WIDTHS_IN_SQL = RESOLUTIONS.map(({ width }) => width).join(', ');

/** How fine is stored, in seconds, what is so old, in seconds. */
export const finestAt = (age: number): number => RESOLUTIONS.find((one) => age <= one.age)!.width;

/**
 * Which rows are folded into which, in seconds, once they are so old, in milliseconds: a little older than is told, as requests
 * are on their way.
 */
export const FOLDS = RESOLUTIONS.slice(1).map(({ width }, i) => ({
  from: RESOLUTIONS[i]!.width,
  to: width,
  after: (RESOLUTIONS[i]!.age + width) * 1000,
}));
