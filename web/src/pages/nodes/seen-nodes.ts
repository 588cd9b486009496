import { effect, signal, untracked } from '@preact/signals';
import type { Node } from '../../../../src/client/contract.ts';
import { callers, isSynced, nodes, serverNow } from '../../live/live.ts';
import { withGone } from './gone.ts';

/** Every node that this tab knows of, by its name, since a page of nodes was first opened. */
export const seenNodes = signal<ReadonlyMap<string, Node>>(new Map());

let caller = -1;
effect(() => {
  const now = nodes.value;
  const isOfAnother = callers.value !== caller;
  caller = callers.value;
  if (!isSynced.value && !isOfAnother) return;
  untracked(() => {
    seenNodes.value = withGone(isOfAnother ? new Map() : seenNodes.value, now, serverNow.value);
  });
});

export const isGone = (node: Node): boolean =>
  !nodes.value.some(({ serviceId }) => serviceId === node.serviceId);
