import type { Event } from '../../../../src/client/contract.ts';
import { eventText } from './event-text.ts';

/** Events that say the same, one after the other, within a minute of the newest of them. */
export interface Folded {
  /** The newest. */
  readonly event: Event;
  readonly count: number;
}

const MINUTE = 60;

/** A failure that comes again and again is one line with its count: what is rare among it stays in sight. */
export function folded(events: readonly Event[]): readonly Folded[] {
  const lines: { event: Event; count: number }[] = [];
  const last = new Map<string, { event: Event; count: number }>();
  for (const event of events) {
    const { what, text, isBad } = eventText(event);
    const key = JSON.stringify([event.integrationId, event.serviceId, what, text]);
    const known = last.get(key);
    if (isBad && known && secondsOf(known.event) - secondsOf(event) <= MINUTE) {
      known.count++;
      continue;
    }
    const line = { event, count: 1 };
    lines.push(line);
    last.set(key, line);
  }
  return lines;
}

const secondsOf = ({ time }: Event): number => Number(time?.seconds ?? 0n);
