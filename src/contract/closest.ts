/** Names beyond that are not compared. */
const MAX_LENGTH = 64;
const MOST = 3;

/**
 * The names that are nearest to what was written, the nearest first: at most three, and none that is far off. Neither case nor
 * underscores count.
 * @param spellings what may be written for a name
 */
export function closest(
  written: string,
  names: readonly string[],
  spellings: (name: string) => readonly string[] = (name) => [name],
): readonly string[] {
  if (written.length > MAX_LENGTH) return [];
  const sought = bare(written);
  const near = names.flatMap((name) => {
    const distances = spellings(name).map((spelling) => distanceWithin(sought, bare(spelling)));
    const distance = Math.min(...distances);
    return distance === Number.POSITIVE_INFINITY ? [] : [{ name, distance }];
  });
  return near
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, MOST)
    .map(({ name }) => name);
}

const bare = (name: string) => name.replaceAll('_', '').toLowerCase();

/** How many letters to change, to add, to leave out or to swap with their neighbour; infinite: more than a third of them. */
function distanceWithin(a: string, b: string): number {
  const most = Math.floor(Math.max(a.length, b.length) / 3);
  if (Math.abs(a.length - b.length) > most) return Number.POSITIVE_INFINITY;
  let [before, last]: readonly (readonly number[])[] = [
    [],
    Array.from({ length: b.length + 1 }, (_, j) => j),
  ];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = last![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? before![j - 2]! + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(last![j]! + 1, row[j - 1]! + 1, changed, swapped));
    }
    [before, last] = [last, row];
  }
  const distance = last![b.length]!;
  return distance <= most ? distance : Number.POSITIVE_INFINITY;
}
