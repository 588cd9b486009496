import {
  type Integration,
  type MessageInitShape,
  type OffsetRangeSchema,
  type StartReplayRequestSchema,
  timestampFromDate,
} from '../../../../src/client/contract.ts';
import { readRate } from '../../ui/rate.ts';
import { readIso } from '../../ui/times.ts';

/** What is typed into the form. */
export interface ReplayDraft {
  readonly range: 'all' | 'times' | 'offsets';
  /** In ISO 8601; empty: from the first message there, and up to now. */
  readonly from: string;
  readonly to: string;
  /** A line for each partition: the partition, the first offset, the offset after the last. */
  readonly offsets: string;
  /** A name or an id; empty: the same integration. */
  readonly target: string;
  readonly rate: string;
}

/** What is typed is in the query of the URL, so that a reload loses nothing of it, and a link can fill it in. */
export function draftOf(query: URLSearchParams): ReplayDraft {
  const of = (name: string) => query.get(name) ?? '';
  const [from, to] = [of('from'), of('to')];
  const range = of('range');
  const usual = from === '' && to === '' ? 'all' : 'times';
  return {
    range: range === 'all' || range === 'times' || range === 'offsets' ? range : usual,
    from,
    to,
    offsets: of('offsets'),
    target: of('target'),
    rate: of('rate'),
  };
}

/** The same back. */
export const queryOf = (draft: ReplayDraft): Readonly<Record<string, string>> => ({ ...draft });

export type DraftField = 'from' | 'to' | 'offsets' | 'target' | 'rate';
type Problems = Readonly<Partial<Record<DraftField, string>>>;
export type ReplayRequest = Omit<MessageInitShape<typeof StartReplayRequestSchema>, '$typeName'>;

/** The request that a draft makes, or what is wrong with it. @param integrations those that there are */
export function requestOf(
  draft: ReplayDraft,
  integrationId: string,
  integrations: Iterable<Integration>,
): { readonly request: ReplayRequest } | { readonly problems: Problems } {
  const problems: { -readonly [F in DraftField]?: string } = {};
  const target = targetOf(draft.target, integrations);
  if ('problem' in target) problems.target = target.problem;
  const rate = readRate(draft.rate);
  if (rate.problem !== undefined) problems.rate = rate.problem;
  const range =
    draft.range === 'all' ? {} : draft.range === 'times' ? timesOf(draft) : rangesOf(draft.offsets);
  if ('problems' in range) Object.assign(problems, range.problems);
  if (Object.keys(problems).length > 0 || 'problem' in target || 'problems' in range) return { problems };
  return { request: { integrationId, targetIntegrationId: target.id, maxRate: rate.value ?? 0, ...range } };
}

function timesOf({
  from,
  to,
}: ReplayDraft): Pick<ReplayRequest, 'startTime' | 'endTime'> | { problems: Problems } {
  const [start, end] = [readIso(from), readIso(to)];
  if (from !== '' && !start) return { problems: { from: 'is no time' } };
  if (to !== '' && !end) return { problems: { to: 'is no time' } };
  if (start && end && start >= end) return { problems: { to: 'must be after the begin' } };
  if (!start && !end) return { problems: { from: 'give a begin or an end, or choose everything' } };
  return {
    ...(start && { startTime: timestampFromDate(start) }),
    ...(end && { endTime: timestampFromDate(end) }),
  };
}

const MAX_RANGES = 128;
const MAX_PARTITION = 2 ** 31 - 1;
const MAX_OFFSET = 2n ** 63n - 1n;

function rangesOf(text: string): Pick<ReplayRequest, 'offsetRanges'> | { problems: Problems } {
  const wrong = (problem: string) => ({ problems: { offsets: problem } });
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) return wrong('give a line for each partition, such as 0 100 200');
  if (lines.length > MAX_RANGES) return wrong(`may have at most ${MAX_RANGES} lines`);
  const offsetRanges: MessageInitShape<typeof OffsetRangeSchema>[] = [];
  for (const line of lines) {
    const [, ...parts] = /^\s*(\d{1,10})\s+(\d{1,19})\s+(\d{1,19})\s*$/.exec(line) ?? [];
    if (parts.length === 0)
      return wrong(`“${line.trim()}” is no partition with two offsets, such as 0 100 200`);
    const [partition, startOffset, endOffset] = [Number(parts[0]), BigInt(parts[1]!), BigInt(parts[2]!)];
    if (partition > MAX_PARTITION || endOffset > MAX_OFFSET)
      return wrong(`“${line.trim()}”: a number is too large`);
    if (startOffset >= endOffset) return wrong(`“${line.trim()}”: the end must be after the begin`);
    if (offsetRanges.some((one) => one.partition === partition))
      return wrong(`partition ${partition} is there twice`);
    offsetRanges.push({ partition, startOffset, endOffset });
  }
  return { offsetRanges };
}

/** Names are not unique: one that several have does not choose. */
export function targetOf(
  text: string,
  integrations: Iterable<Integration>,
): { readonly id: string } | { readonly problem: string } {
  const wanted = text.trim();
  if (wanted === '') return { id: '' };
  const all = [...integrations];
  if (all.some(({ id }) => id === wanted)) return { id: wanted };
  const [one, ...more] = all.filter(({ name }) => name === wanted);
  if (!one) return { problem: 'there is no integration with this name or id' };
  if (more.length > 0) return { problem: `${more.length + 1} integrations have this name: give the id` };
  return { id: one.id };
}
