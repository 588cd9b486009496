import { useEffect, useRef, useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { type Compare, isInOrder, kept } from './selection.ts';

/** A table that nobody is at is put in order so often, in milliseconds. */
const RESORT = 2000;

interface CalmOrder {
  readonly rows: readonly Integration[];
  /** Somebody is at the table, and it would be in another order. */
  readonly hasMoved: boolean;
  readonly setBusy: (isBusy: boolean) => void;
  readonly sortNow: () => void;
}

/**
 * Rows in an order that does not jump under a hand: it is renewed now and then, and never while somebody is at the table.
 * @param listed the rows, in any order
 * @param order names the order that is wanted: with another one they are put in order at once
 */
export function useCalmOrder(listed: readonly Integration[], compare: Compare, order: string): CalmOrder {
  const shown = useRef({ order: '', ids: [] as readonly string[], time: 0 });
  const [isBusy, setBusy] = useState(false);
  const [, look] = useState(0);
  const isNew = shown.current.order !== order;
  const age = Date.now() - shown.current.time;
  const before = isNew ? [] : kept(shown.current.ids, listed);
  const hasMoved = isNew || !isInOrder(before, compare);
  const isSorted = isNew || (hasMoved && !isBusy && age >= RESORT);
  const rows = isSorted ? listed.toSorted(compare) : before;
  if (isSorted || rows.length !== shown.current.ids.length) {
    const time = isSorted ? Date.now() : shown.current.time;
    shown.current = { order, ids: rows.map(({ id }) => id), time };
  }
  const isWaiting = hasMoved && !isSorted && !isBusy;
  useEffect(() => {
    if (!isWaiting) return;
    const timer = setTimeout(() => look((n) => n + 1), RESORT - age);
    return () => clearTimeout(timer);
  });
  const sortNow = () => {
    shown.current = { ...shown.current, order: '' };
    look((n) => n + 1);
  };
  return { rows, hasMoved: hasMoved && isBusy && !isSorted, setBusy, sortNow };
}
