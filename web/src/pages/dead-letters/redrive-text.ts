import { type DeadLetterFilter, type Redrive, RedriveState } from '../../../../src/client/contract.ts';
import { failureName } from '../../ui/names.ts';
import { dateOf, timeText } from '../../ui/times.ts';

/** How far a redrive is, in a sentence. */
export function progressText({ state, total, redriven, reason }: Redrive): string {
  const of = `${redriven.toLocaleString('en')} of ${total?.toLocaleString('en') ?? 'an unknown number'}`;
  switch (state) {
    case RedriveState.RUNNING:
      return total === undefined ? 'Counting what is to be put back…' : `Putting back: ${of}`;
    case RedriveState.DONE:
      return `Put back: ${of}.${reason === '' ? '' : ` ${reason}.`}`;
    case RedriveState.CANCELLED:
      return `Stopped. Put back: ${of}.`;
    default:
      return `It failed: ${reason}. Put back before: ${of}.`;
  }
}

const MOST_IDS = 3;

/** Which dead letters, in words. */
export function filterText(filter: DeadLetterFilter | undefined, zone: 'local' | 'UTC'): string {
  if (!filter) return 'all';
  const { ids, failureClasses, topicFilter, clientId, startTime, endTime, includeRedriven } = filter;
  const [from, to] = [dateOf(startTime), dateOf(endTime)];
  const more = ids.length > MOST_IDS ? ` and ${ids.length - MOST_IDS} more` : '';
  const parts = [
    ids.length > 0 && ids.slice(0, MOST_IDS).join(', ') + more,
    failureClasses.length > 0 && failureClasses.map(failureName).join(', '),
    topicFilter !== '' && `topic ${topicFilter}`,
    clientId !== '' && `client ${clientId}`,
    from && `from ${timeText(from, zone)}`,
    to && `before ${timeText(to, zone)}`,
    includeRedriven && 'also those put back before',
  ].filter((part) => typeof part === 'string');
  return parts.length === 0 ? 'all' : parts.join('\n');
}
