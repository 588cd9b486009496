import { computed } from '@preact/signals';
import { useState } from 'preact/hooks';
import { type Integration, IntegrationState } from '../../../../src/client/contract.ts';
import { query, setQuery } from '../../app/location.ts';
import { integrationPath } from '../../app/routes.ts';
import { rates, useFigures } from '../../live/figures.ts';
import { integrations, serverNow } from '../../live/live.ts';
import {
  areAllAsked,
  areOld,
  idsToAsk,
  isFailing,
  MAX_ASKED,
  RATE_KEYS,
  type Rates,
  rateOf,
} from '../../live/rates.ts';
import { LongTable } from '../../ui/long-table.tsx';
import { typeName } from '../../ui/names.ts';
import { numberText } from '../../ui/numbers.ts';
import { Failing, State } from '../../ui/state.tsx';
import { Ago } from '../../ui/time.tsx';
import { spanText } from '../../ui/times.ts';
import { EnabledSwitch } from './enabled-switch.tsx';
import { type SortKey, selectionOf } from './selection.ts';

const ROW = 46;

export const selection = computed(() => selectionOf(query.value));

/** The rows, with figures of now. */
export function IntegrationTable({ rows }: { readonly rows: readonly Integration[] }) {
  const [view, setView] = useState({ first: 0, end: 0 });
  const ids = idsToAsk(
    integrations.value.size,
    rows.map(({ id }) => id),
    view,
  );
  const { failure } = useFigures(ids);
  return (
    <>
      {failure && <p class="quiet count">The figures are not renewed: {failure.text}</p>}
      <LongTable
        label="Integrations"
        columns={columnsOf(rows.length)}
        rows={rows}
        keyOf={({ id }) => id}
        cells={(one) => <Cells integration={one} />}
        rowHeight={ROW}
        onView={(first, end) => setView({ first, end })}
      />
    </>
  );
}

const columnsOf = (listed: number) => {
  const sortHead = (key: SortKey, text: string) => ({
    name: key,
    head: <SortHead sortKey={key} text={text} listed={listed} />,
  });
  return [
    sortHead('state', 'State'),
    sortHead('name', 'Name'),
    sortHead('type', 'Type'),
    { name: 'filters', head: 'Topic filters' },
    sortHead('in', 'In/s'),
    sortHead('out', 'Out/s'),
    sortHead('failures', 'Failed/min'),
    sortHead('lag', 'Waiting'),
    sortHead('delivered', 'Delivered'),
    sortHead('since', 'Since'),
    { name: 'executors', head: 'Executors' },
    { name: 'enabled', head: 'Enabled' },
  ];
};

interface SortHeadProps {
  readonly sortKey: SortKey;
  readonly text: string;
  /** How many rows there are. */
  readonly listed: number;
}

function SortHead({ sortKey, text, listed }: SortHeadProps) {
  const { sort, isDescending } = selection.value;
  const isSorted = sort === sortKey;
  const isKnown = RATE_KEYS.every((key) => key !== sortKey) || areAllAsked(listed);
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

function Cells({ integration }: { readonly integration: Integration }) {
  const { id, name, description, topicFilters, type, status } = integration;
  const executors = status?.executors.map(({ serviceId }) => serviceId) ?? [];
  const state = status?.state ?? IntegrationState.UNSPECIFIED;
  const known = rates.value.get(id);
  const [first = '', ...more] = topicFilters;
  return (
    <>
      <td class="state-cell">
        <State state={state} />
        {state === IntegrationState.ACTIVE && isFailing(known) && <Failing />}
      </td>
      <td class="two-lines">
        <a href={integrationPath(id)}>{name}</a>
        {status?.reason ? (
          <span class="reason" title={status.reason}>
            {status.reason}
          </span>
        ) : (
          <span class="quiet">{description}</span>
        )}
      </td>
      <td>{typeName(type)}</td>
      <td title={topicFilters.join('\n')}>
        <code>{first}</code>
        {more.length > 0 && <span class="quiet"> +{more.length}</span>}
      </td>
      {RATE_KEYS.map((key) => (
        <Rate key={key} known={known} rate={rateOf(known, key)} />
      ))}
      <td class="number">{status?.lag === undefined ? '–' : status.lag.toLocaleString('en')}</td>
      <td>
        <Ago time={status?.lastDeliveredTime} />
      </td>
      <td>
        <Ago time={status?.since} />
      </td>
      <td title={executors.join('\n')}>{executors.length === 0 ? '–' : executors.length}</td>
      <td>
        <EnabledSwitch integration={integration} />
      </td>
    </>
  );
}

interface RateProps {
  readonly known: Rates | undefined;
  readonly rate: number | undefined;
}

/** One that is not renewed any more is grey, and says how old it is. */
function Rate({ known, rate }: RateProps) {
  if (!known || rate === undefined) return <td class="number quiet">–</td>;
  const isOld = areOld(known, serverNow.value);
  return (
    <td
      class={isOld ? 'number old' : 'number'}
      title={isOld ? `of ${spanText(serverNow.value - known.time)} ago` : undefined}
    >
      {numberText(rate)}
    </td>
  );
}
