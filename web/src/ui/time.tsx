import type { Timestamp } from '../../../src/client/contract.ts';
import { zone } from '../app/preferences.ts';
import { serverNow } from '../live/live.ts';
import { dateOf, spanText, timeText } from './times.ts';

/** How long ago something was, by the server's clock; the time itself when it is pointed at. */
export function Ago({ time }: { readonly time: Timestamp | undefined }) {
  const date = dateOf(time);
  if (!date) return <span class="quiet">–</span>;
  return (
    <time dateTime={date.toISOString()} title={timeText(date, zone.value)}>
      {spanText(serverNow.value - date.getTime())}
    </time>
  );
}

/** A time, in the zone that is chosen. */
export function At({ time }: { readonly time: Timestamp | undefined }) {
  const date = dateOf(time);
  if (!date) return <span class="quiet">–</span>;
  return <time dateTime={date.toISOString()}>{timeText(date, zone.value)}</time>;
}
