import type { ListedDeadLetter } from '../../../../src/client/contract.ts';
import { failureName } from '../../ui/names.ts';

/** Dead letters of one class that say the same. */
export interface Group {
  /** `rejected: HTTP 422 …`: names the group in a URL, too. */
  readonly text: string;
  readonly ids: readonly string[];
}

/** In which group a dead letter is. */
export const groupText = ({ deadLetter }: ListedDeadLetter): string =>
  `${failureName(deadLetter?.failureClass ?? 0)}: ${deadLetter?.reason ?? ''}`;

/** By class and reason, the largest first. */
export function groupsOf(letters: readonly ListedDeadLetter[]): readonly Group[] {
  const idsByText = Map.groupBy(letters, groupText);
  return [...idsByText]
    .map(([text, those]) => ({ text, ids: those.map(({ id }) => id) }))
    .sort((a, b) => b.ids.length - a.ids.length);
}

/** How many there are. @param isWhole whether all were looked at; if not, there may be more */
export function countText(total: bigint, isWhole: boolean): string {
  const count = `${total.toLocaleString('en')} dead ${total === 1n ? 'letter' : 'letters'}`;
  return isWhole ? count : `at least ${count}`;
}
