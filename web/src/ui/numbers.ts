/** A number as people read it: whole ones in full, others to three digits. */
export function numberText(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

/** A length of time in seconds, in one unit: `340 µs`, `12 ms`, `1.5 s`, `2.5 min`, `3 h`. */
export function secondsText(seconds: number): string {
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return `${numberText(seconds * 1e6)} µs`;
  if (seconds < 1) return `${numberText(seconds * 1000)} ms`;
  if (seconds < 60) return `${numberText(seconds)} s`;
  if (seconds < 3600) return `${numberText(seconds / 60)} min`;
  return `${numberText(seconds / 3600)} h`;
}

/** Such as `1,204 dead letters`. */
export const deadLettersText = (count = 0n): string =>
  `${count.toLocaleString('en')} dead letter${count === 1n ? '' : 's'}`;
