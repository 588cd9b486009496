import { type Replay, ReplayState } from '../../../../src/client/contract.ts';
import { dateOf, timeText } from '../../ui/times.ts';

/** How far it is, from 0 to 1. */
export function shareOf({ total, replayed, state }: Replay): number {
  if (total === 0n) return state === ReplayState.RUNNING ? 0 : 1;
  return Math.min(1, Number(replayed) / Number(total));
}

/** Which messages, in words. */
export function rangeText({ startTime, endTime, offsetRanges }: Replay, zone: 'local' | 'UTC'): string {
  if (offsetRanges.length > 0)
    return offsetRanges
      .map(
        ({ partition, startOffset, endOffset }) => `partition ${partition}: ${startOffset} to ${endOffset}`,
      )
      .join('\n');
  const [from, to] = [dateOf(startTime), dateOf(endTime)];
  if (!from && !to) return 'everything';
  return [from && `from ${timeText(from, zone)}`, to && `before ${timeText(to, zone)}`]
    .filter((part) => part !== undefined)
    .join('\n');
}
