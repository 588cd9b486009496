import type { Integration } from '../../../../src/client/contract.ts';
import { closest } from '../../../../src/contract/closest.ts';
import { matches, topicNameProblem } from '../../../../src/topic-filter/topic-filter.ts';

/** Who takes a topic. */
export interface Takers {
  readonly enabled: readonly Integration[];
  /** They would, and keep it until they are enabled. */
  readonly disabled: readonly Integration[];
}

export function takersOf(topic: string, all: Iterable<Integration>): Takers {
  const isName = topic !== '' && topicNameProblem(topic) === undefined;
  const takes = ({ topicFilters }: Integration) => topicFilters.some((filter) => matches(filter, topic));
  const taking = isName ? [...all].filter(takes) : [];
  return {
    enabled: taking.filter(({ enabled }) => enabled),
    disabled: taking.filter(({ enabled }) => !enabled),
  };
}

/** A topic filter, and one of the integrations that have it. */
interface Near {
  readonly filter: string;
  readonly integration: Integration;
}

/** The topic filters that take topics most like this one, the nearest first. */
export function nearestFilters(topic: string, all: Iterable<Integration>): readonly Near[] {
  if (topic === '' || topicNameProblem(topic) !== undefined) return [];
  const owners = new Map(
    [...all].flatMap((integration) =>
      integration.topicFilters.map((filter) => [filter, integration] as const),
    ),
  );
  const near = closest(topic, [...owners.keys()], (filter) => [taken(filter, topic)]);
  return near.map((filter) => ({ filter, integration: owners.get(filter)! }));
}

/** The topic that is most like this one of those that a filter takes: a wildcard takes what the topic has there. */
function taken(filter: string, topic: string): string {
  const levels = topic.split('/');
  const parts = filter.split('/');
  const words = parts.map((part, i) => (part === '+' ? (levels[i] ?? '') : part));
  return parts.at(-1) === '#'
    ? [...words.slice(0, -1), ...levels.slice(parts.length - 1)].join('/')
    : words.join('/');
}
