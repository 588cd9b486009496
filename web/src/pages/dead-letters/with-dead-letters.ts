import type { Integration } from '../../../../src/client/contract.ts';

const countOf = ({ status }: Integration): bigint => status?.deadLetters ?? 0n;

/** Those that have dead letters, the one with the most first; of as many, by name. */
export function withDeadLetters(all: Iterable<Integration>): readonly Integration[] {
  const byCount = (a: Integration, b: Integration) => Number(countOf(b) - countOf(a));
  return [...all]
    .filter((one) => countOf(one) > 0n)
    .sort((a, b) => byCount(a, b) || (a.name < b.name ? -1 : 1));
}
