import { signal } from '@preact/signals';
import type { Integration } from '../../../../src/client/contract.ts';
import { pickedBy, pickedOf } from './picks.ts';

/** The ids of what is selected. */
export const picked = signal<ReadonlySet<string>>(new Set());
/** What was clicked last: Shift goes on from there. */
let last: string | undefined;

export const pickAll = (rows: readonly Integration[]): void => {
  picked.value = new Set(rows.map(({ id }) => id));
};
export const pickNone = (): void => {
  picked.value = new Set();
};

interface PickProps {
  readonly integration: Integration;
  /** All that are listed, in their order. */
  readonly rows: readonly Integration[];
}

export function PickOne({ integration: { id, name }, rows }: PickProps) {
  const pick = ({ shiftKey }: MouseEvent) => {
    const ids = rows.map((row) => row.id);
    picked.value = pickedBy(picked.value, ids, id, shiftKey ? last : undefined);
    last = id;
  };
  return (
    <input type="checkbox" aria-label={`Select ${name}`} checked={picked.value.has(id)} onClick={pick} />
  );
}

export function PickAll({ rows }: { readonly rows: readonly Integration[] }) {
  const count = pickedOf(rows, picked.value).length;
  const areAll = count > 0 && count === rows.length;
  return (
    <input
      type="checkbox"
      aria-label={`Select all ${rows.length}`}
      checked={areAll}
      indeterminate={count > 0 && !areAll}
      onClick={() => (areAll ? pickNone() : pickAll(rows))}
    />
  );
}
