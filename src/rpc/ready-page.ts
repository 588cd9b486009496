import type { Problem } from '../runtime/readiness.ts';
import type { Page } from './pages.ts';

/** To a page or a name of somebody else no more is told than whether it is; to who is not let in, which part is not. */
export function readyPage(
  problems: readonly Problem[],
  linesOf: (problems: readonly Problem[]) => string[],
): Page {
  const isReady = problems.length === 0;
  const text = [isReady ? 'ready' : 'not ready', ...linesOf(problems), ''].join('\n');
  return { status: isReady ? 200 : 503, text };
}

export const namesOf = (problems: readonly Problem[]) => [...new Set(problems.map(({ name }) => name))];

export const reasonsOf = (warnings: readonly string[]) => (problems: readonly Problem[]) => [
  ...problems.map(({ name, reason }) => `${name}: ${reason}`),
  ...warnings.map((text) => `warning: ${text}`),
];
