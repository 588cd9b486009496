import { type Duration, durationFromMs } from '@bufbuild/protobuf/wkt';

/** A time that was measured, in milliseconds with fractions, to the tenth of one: a duration has whole nanoseconds. */
export const took = (ms: number): Duration => {
  const tenths = Math.round(ms * 10);
  const duration = durationFromMs(Math.floor(tenths / 10));
  duration.nanos += (tenths % 10) * 100_000;
  return duration;
};
