import {
  type MessageFilterSchema,
  type MessageInitShape,
  MessageStage,
} from '../../../../src/client/contract.ts';
import { topicFilterProblem } from '../../../../src/topic-filter/topic-filter.ts';
import { stageText } from './lines.ts';

export type TailFilter = MessageInitShape<typeof MessageFilterSchema> & { readonly stages: MessageStage[] };

export const STAGES = [MessageStage.WAITING, MessageStage.SETTLED, MessageStage.DEAD_LETTERED] as const;

/** The filter that a URL's query says. What makes no sense is a problem, never a filter that finds more. */
export function tailFilterOf(query: URLSearchParams): { readonly filter: TailFilter } | { problem: string } {
  const topicFilter = query.get('topic') ?? '';
  const problem = topicFilter === '' ? undefined : topicFilterProblem(topicFilter);
  if (problem !== undefined) return { problem: `“${topicFilter}” is no topic filter: ${problem}.` };
  const names = namesIn(query);
  const stages = names.map((name) => STAGES.find((one) => stageText(one) === name));
  const unknown = names.find((_, i) => stages[i] === undefined);
  if (unknown !== undefined) return { problem: `There is no stage “${unknown}”.` };
  return {
    filter: {
      topicFilter,
      clientId: query.get('client') ?? '',
      stages: stages.filter((one) => one !== undefined),
    },
  };
}

/** The stages of a query with one more, or one less. */
export function toggledStage(query: URLSearchParams, toggled: MessageStage): string {
  const names = namesIn(query);
  const name = stageText(toggled);
  return (names.includes(name) ? names.filter((one) => one !== name) : [...names, name]).join();
}

const namesIn = (query: URLSearchParams): readonly string[] =>
  (query.get('stage') ?? '').split(',').filter((name) => name !== '');
