/** Sequence numbers of a producer's records begin anew behind it. */
const MAX = 0x7fffffff;

/** The number of the record so many behind this one. */
export const sequenceAfter = (sequence: number, count: number): number => (sequence + count) & MAX;

/** Whether a number comes before another one: of two, those that are less than half of all apart. */
export const isBefore = (a: number, b: number): boolean => ((a - b) & MAX) > MAX / 2;
