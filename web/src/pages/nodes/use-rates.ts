import { useRef } from 'preact/hooks';
import type { Node } from '../../../../src/client/contract.ts';
import { type NodeRates, ratesOf } from './node-rates.ts';

/** The rates of each node by its last two reports, by its name. */
export function useRates(nodes: readonly Node[]): ReadonlyMap<string, NodeRates> {
  const known = useRef(new Map<string, { node: Node; rates: NodeRates | undefined }>());
  const next = new Map<string, { node: Node; rates: NodeRates | undefined }>();
  for (const node of nodes) {
    const last = known.current.get(node.serviceId);
    const isSame =
      last?.node.lastSeenTime?.seconds === node.lastSeenTime?.seconds &&
      last?.node.lastSeenTime?.nanos === node.lastSeenTime?.nanos;
    next.set(node.serviceId, isSame && last ? last : { node, rates: ratesOf(last?.node, node) });
  }
  known.current = next;
  return new Map([...next].flatMap(([name, { rates }]) => (rates ? [[name, rates] as const] : [])));
}
