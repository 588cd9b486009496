import type { Integration } from '../../../../src/client/contract.ts';

/** What is selected with what was clicked: with Shift everything from the click before, too. Ids in their order. */
export function pickedBy(
  before: ReadonlySet<string>,
  ids: readonly string[],
  id: string,
  from: string | undefined,
): ReadonlySet<string> {
  const isWanted = !before.has(id);
  const [a, b] = [ids.indexOf(from ?? id), ids.indexOf(id)];
  const range = a === -1 || b === -1 ? [id] : ids.slice(Math.min(a, b), Math.max(a, b) + 1);
  const next = new Set(before);
  for (const one of range) {
    if (isWanted) next.add(one);
    else next.delete(one);
  }
  return next;
}

/** Those of the rows that are selected: what is not listed is not touched. */
export const pickedOf = (
  rows: readonly Integration[],
  picked: ReadonlySet<string>,
): readonly Integration[] => (picked.size === 0 ? [] : rows.filter(({ id }) => picked.has(id)));
