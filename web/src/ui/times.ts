import type { Duration, Timestamp } from '../../../src/client/contract.ts';

const SECOND = 1000;
const STEPS = [
  ['d', 86_400 * SECOND],
  ['h', 3600 * SECOND],
  ['min', 60 * SECOND],
  ['s', SECOND],
] as const;

/** A length of time as people say it, in its two largest units: `3 min 4 s`. Under a second: `now`. */
export function spanText(ms: number): string {
  const whole = Math.max(0, ms);
  const first = STEPS.findIndex(([, length]) => whole >= length);
  if (first === -1) return 'now';
  const [name, length] = STEPS[first]!;
  const count = Math.floor(whole / length);
  const next = STEPS[first + 1];
  const rest = next ? Math.floor((whole - count * length) / next[1]) : 0;
  const more = next && rest > 0 && count < 10 ? ` ${rest} ${next[0]}` : '';
  return `${count} ${name}${more}`;
}

/** A time in the zone that is chosen, with the zone's name: `2026-11-29 12:03:04 UTC`. */
export function timeText(time: Date, zone: 'local' | 'UTC'): string {
  const iso = (date: Date) => date.toISOString().slice(0, 19).replace('T', ' ');
  if (zone === 'UTC') return `${iso(time)} UTC`;
  const offset = -time.getTimezoneOffset();
  const sign = offset < 0 ? '-' : '+';
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
  const name = `${sign}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
  return `${iso(new Date(time.getTime() + offset * 60_000))} ${name}`;
}

/** A time or a length of time in milliseconds. Reckoned here, so that what shows times does without the library of messages. */
export const msOf = ({ seconds, nanos }: Timestamp | Duration): number =>
  Number(seconds) * SECOND + Math.round(nanos / 1_000_000);

export const dateOf = (time: Timestamp | undefined): Date | undefined => time && new Date(msOf(time));

/** A time as a control for date and time holds it, in the zone that is chosen: `2026-11-29T12:03:04`. */
export function inputText(time: Date, zone: 'local' | 'UTC'): string {
  const offset = zone === 'UTC' ? 0 : -time.getTimezoneOffset() * 60_000;
  return new Date(time.getTime() + offset).toISOString().slice(0, 19);
}

/** What such a control holds as a time; undefined: it is none. */
export function readInput(text: string, zone: 'local' | 'UTC'): Date | undefined {
  const time = new Date(zone === 'UTC' && text !== '' ? `${text}Z` : text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** A time of a URL, as ISO 8601 with its zone; undefined: it is none, or has no zone. */
export function readIso(text: string): Date | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
