import type { Integration } from '../../../../src/client/contract.ts';
import { closest } from '../../../../src/contract/closest.ts';
import { matches, topicNameProblem } from '../../../../src/topic-filter/topic-filter.ts';

/** Who takes a topic. */
export interface Takers {
  /** What is wrong with the topic name; undefined: nothing. */
  readonly problem: string | undefined;
  readonly enabled: readonly Integration[];
  /** They would, and keep it until they are enabled. */
  readonly disabled: readonly Integration[];
  /** Topic filters like it, when nobody takes it. */
  readonly near: readonly { readonly filter: string; readonly integration: Integration }[];
}

export function takersOf(topic: string, all: Iterable<Integration>): Takers {
  const integrations = [...all];
  const problem = topic === '' ? undefined : topicNameProblem(topic);
  const takes = ({ topicFilters }: Integration) => topicFilters.some((filter) => matches(filter, topic));
  const taking = topic === '' || problem !== undefined ? [] : integrations.filter(takes);
  return {
    problem,
    enabled: taking.filter(({ enabled }) => enabled),
    disabled: taking.filter(({ enabled }) => !enabled),
    near: taking.length > 0 || topic === '' ? [] : nearest(topic, integrations),
  };
}

/** By the words of the topic: as far as a filter has words at the same levels, those are compared. */
function nearest(topic: string, integrations: readonly Integration[]): Takers['near'] {
  const owners = new Map(
    integrations.flatMap((integration) =>
      integration.topicFilters.map((filter) => [filter, integration] as const),
    ),
  );
  const like = (filter: string) => {
    const levels = topic.split('/');
    const parts = filter.replace(/\/?#$/, '').split('/');
    return parts.map((part, i) => (part === '+' ? (levels[i] ?? '') : part)).join('/');
  };
  const begin = (filter: string) => topic.split('/').slice(0, like(filter).split('/').length).join('/');
  const near = [...owners.keys()].filter((filter) => closest(begin(filter), [like(filter)]).length > 0);
  return near.slice(0, 3).map((filter) => ({ filter, integration: owners.get(filter)! }));
}
