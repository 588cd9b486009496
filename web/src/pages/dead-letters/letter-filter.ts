import {
  type DeadLetterFilterSchema,
  FailureClass,
  type MessageInitShape,
  timestampFromDate,
} from '../../../../src/client/contract.ts';
import { topicFilterProblem } from '../../../../src/topic-filter/topic-filter.ts';
import { failureName } from '../../ui/names.ts';
import { readIso } from '../../ui/times.ts';

export type LetterFilter = MessageInitShape<typeof DeadLetterFilterSchema>;

/** The classes that a message can be given up with. */
export const CLASSES = Object.values(FailureClass).flatMap((one) =>
  typeof one === 'number' && one !== FailureClass.UNSPECIFIED ? [one] : [],
);

/** What of a URL's query chooses dead letters. */
export const FILTER_NAMES = ['class', 'topic', 'client', 'from', 'to', 'redriven'] as const;

/**
 * The filter that a URL's query says. What makes no sense is a problem, never a filter that finds more: it also says what
 * is put back.
 */
export function filterOf(query: URLSearchParams): { readonly filter: LetterFilter } | { problem: string } {
  const of = (name: (typeof FILTER_NAMES)[number]) => query.get(name) ?? '';
  const names = of('class')
    .split(',')
    .filter((name) => name !== '');
  const failureClasses = names.map((name) => CLASSES.find((one) => failureName(one) === name));
  const unknown = names.find((_, i) => failureClasses[i] === undefined);
  if (unknown !== undefined) return { problem: `There is no failure class “${unknown}”.` };
  const topicFilter = of('topic');
  const topicProblem = topicFilter === '' ? undefined : topicFilterProblem(topicFilter);
  if (topicProblem !== undefined) return { problem: `“${topicFilter}” is no topic filter: ${topicProblem}.` };
  const [from, to] = [readIso(of('from')), readIso(of('to'))];
  for (const [name, time] of [['from', from] as const, ['to', to] as const]) {
    if (of(name) !== '' && !time)
      return { problem: `“${of(name)}” is no time such as 2026-11-29T12:00:00Z.` };
  }
  if (from && to && from >= to)
    return { problem: 'It begins when it has ended: nothing is between these times.' };
  if (!['', 'yes'].includes(of('redriven')))
    return { problem: `“${of('redriven')}” is no answer to redriven: it is yes, or not there.` };
  return {
    filter: {
      failureClasses: failureClasses.filter((one) => one !== undefined),
      topicFilter,
      clientId: of('client'),
      ...(from && { startTime: timestampFromDate(from) }),
      ...(to && { endTime: timestampFromDate(to) }),
      includeRedriven: of('redriven') === 'yes',
    },
  };
}

/** The classes of a query with one more, or one less. */
export function toggledClass(query: URLSearchParams, toggled: FailureClass): string {
  const names = (query.get('class') ?? '').split(',').filter((name) => name !== '');
  const name = failureName(toggled);
  return (names.includes(name) ? names.filter((one) => one !== name) : [...names, name]).join();
}

/** Whether a query chooses some of them, rather than all that were not put back yet. */
export const isNarrowed = (query: URLSearchParams): boolean =>
  FILTER_NAMES.some((name) => name !== 'redriven' && (query.get(name) ?? '') !== '');
