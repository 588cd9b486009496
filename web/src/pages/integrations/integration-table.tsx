import { computed } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { query, setQuery } from '../../app/location.ts';
import { rates, useFigures } from '../../live/figures.ts';
import { healthOf } from '../../live/health.ts';
import { lastErrors } from '../../live/last-errors.ts';
import { integrations } from '../../live/live.ts';
import { areAllAsked, idsToAsk, MAX_ASKED } from '../../live/rates.ts';
import { LongTable } from '../../ui/long-table.tsx';
import { type Column, shownColumns } from './columns.tsx';
import { PickAll, PickOne } from './picking.tsx';
import { BY_FIGURES, type SortKey, selectionOf } from './selection.ts';
import { useSparks } from './use-sparks.ts';

const ROW = 46;
/** A scroll that goes on asks for nothing, in milliseconds. */
const SETTLED = 200;

export const selection = computed(() => selectionOf(query.value));

/** The rows, with figures of now. */
export function IntegrationTable({ rows }: { readonly rows: readonly Integration[] }) {
  const [view, setView] = useState({ first: 0, end: 0 });
  const settled = useSettled(view);
  const ids = rows.map(({ id }) => id);
  const { failure } = useFigures(idsToAsk(integrations.value.size, ids, settled));
  const columns = shownColumns();
  useSparks(columns.some(({ name }) => name === 'spark') ? ids.slice(settled.first, settled.end) : []);
  return (
    <>
      {failure && <p class="quiet count">The figures are not renewed: {failure.text}</p>}
      <LongTable
        label="Integrations"
        columns={[
          { name: 'pick', head: <PickAll rows={rows} /> },
          ...columns.map((one) => headOf(one, rows.length)),
        ]}
        rows={rows}
        keyOf={({ id }) => id}
        cells={(one) => <Cells integration={one} rows={rows} columns={columns} />}
        rowHeight={ROW}
        onView={(first, end) => setView({ first, end })}
      />
    </>
  );
}

/** A value, once it has stayed for a moment. */
function useSettled<T>(value: T): T {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), SETTLED);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

const headOf = ({ name, head, sort }: Column, listed: number) => ({
  name,
  head: sort ? <SortHead sortKey={sort} text={head} listed={listed} /> : head,
});

interface SortHeadProps {
  readonly sortKey: SortKey;
  readonly text: string;
  /** How many rows there are. */
  readonly listed: number;
}

function SortHead({ sortKey, text, listed }: SortHeadProps) {
  const { sort, isDescending } = selection.value;
  const isSorted = sort === sortKey;
  const isKnown = !BY_FIGURES.includes(sortKey) || areAllAsked(listed);
  const next = isSorted && !isDescending ? `-${sortKey}` : sortKey;
  return (
    <button
      type="button"
      class="link"
      aria-label={`Sort by ${text}`}
      disabled={!isKnown}
      title={
        isKnown ? undefined : `Up to ${MAX_ASKED.toLocaleString('en')} can be sorted by this: filter them`
      }
      onClick={() => setQuery({ sort: next === 'state' ? '' : next })}
    >
      {text} {isSorted ? (isDescending ? '↓' : '↑') : ''}
    </button>
  );
}

interface CellsProps {
  readonly integration: Integration;
  /** All that are listed. */
  readonly rows: readonly Integration[];
  readonly columns: readonly Column[];
}

function Cells({ integration, rows, columns }: CellsProps) {
  const known = rates.value.get(integration.id);
  const health = healthOf(integration, known);
  const error = lastErrors.value.get(integration.id);
  return (
    <>
      <td class="col-pick">
        <PickOne integration={integration} rows={rows} />
      </td>
      {columns.map(({ name, cell: Cell }) => (
        <Cell key={name} integration={integration} rates={known} health={health} error={error} />
      ))}
    </>
  );
}
