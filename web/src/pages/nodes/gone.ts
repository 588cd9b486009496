import type { Node } from '../../../../src/client/contract.ts';
import { msOf } from '../../ui/times.ts';

/** How long a node that is gone is still shown, in milliseconds. */
const SHOWN = 3_600_000;

/**
 * The nodes that there are, and those that were seen before and are gone: stopped, or not heard of any more.
 * @param before by their names, as this answered before
 * @param now the time, by the server's clock, in milliseconds
 */
export function withGone(
  before: ReadonlyMap<string, Node>,
  nodes: readonly Node[],
  now: number,
): ReadonlyMap<string, Node> {
  const recent = [...before].filter(
    ([, { lastSeenTime }]) => lastSeenTime && now - msOf(lastSeenTime) < SHOWN,
  );
  return new Map([...recent, ...nodes.map((node) => [node.serviceId, node] as const)]);
}
