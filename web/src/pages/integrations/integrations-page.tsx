import { computed } from '@preact/signals';
import { useRef, useState } from 'preact/hooks';
import { type Integration, IntegrationState, IntegrationType } from '../../../../src/client/contract.ts';
import { query, setQuery } from '../../app/location.ts';
import { newPath } from '../../app/routes.ts';
import { rates } from '../../live/figures.ts';
import { integrations, isSynced } from '../../live/live.ts';
import { type AllRates, areAllAsked } from '../../live/rates.ts';
import { stateName, typeName } from '../../ui/names.ts';
import { Empty, Loading } from '../../ui/notice.tsx';
import { RoleLink } from '../../ui/role-button.tsx';
import { FirstRun } from './first-run.tsx';
import { IntegrationTable, selection } from './integration-table.tsx';
import { countsOf, isSelected, kept, sorted } from './selection.ts';

/** A table that nobody is at is put in order so often, in milliseconds. */
const RESORT = 2000;

const NONE: AllRates = new Map();
const selected = computed(() => {
  const all = [...integrations.value.values()].filter((one) => isSelected(one, selection.value));
  return sorted(all, selection.value, areAllAsked(all.length) ? rates.value : NONE);
});

export function IntegrationsPage() {
  return (
    <>
      <header class="page-head">
        <h1>Integrations</h1>
        <Summary />
        <p>
          <RoleLink
            method="IntegrationService/CreateIntegration"
            href={newPath()}
            text="New integration"
            isPrimary
          />
        </p>
      </header>
      <Filters />
      {isSynced.value || integrations.value.size > 0 ? <List /> : <Loading what="the integrations" />}
    </>
  );
}

const SUMMARY = [
  IntegrationState.FAILED,
  IntegrationState.PENDING,
  IntegrationState.ACTIVE,
  IntegrationState.DISABLED,
];

/** How many there are of each state; each is a filter. */
function Summary() {
  const counts = countsOf(integrations.value.values());
  const now = selection.value.state;
  return (
    <ul class="summary" aria-label="By state">
      {SUMMARY.map((state) => (
        <li key={state}>
          <button
            type="button"
            aria-pressed={now === state}
            onClick={() => setQuery({ state: now === state ? '' : stateName(state) })}
          >
            <b>{counts.get(state) ?? 0}</b> {stateName(state)}
          </button>
        </li>
      ))}
    </ul>
  );
}

function Filters() {
  const { type } = selection.value;
  return (
    <search class="filters">
      <label>
        Search
        <input
          type="search"
          id="search"
          value={query.value.get('q') ?? ''}
          placeholder="name, topic filter, label, id"
          onInput={({ currentTarget }) => setQuery({ q: currentTarget.value })}
        />
      </label>
      <label>
        Takes topic
        <input
          value={query.value.get('takes') ?? ''}
          placeholder="sensors/1/temperature"
          onInput={({ currentTarget }) => setQuery({ takes: currentTarget.value })}
        />
      </label>
      <label>
        Type
        <select
          value={type === undefined ? '' : typeName(type).toLowerCase()}
          onChange={({ currentTarget }) => setQuery({ type: currentTarget.value })}
        >
          <option value="">all</option>
          {[IntegrationType.HTTP, IntegrationType.MQTT, IntegrationType.KAFKA].map((one) => (
            <option key={one} value={typeName(one).toLowerCase()}>
              {typeName(one)}
            </option>
          ))}
        </select>
      </label>
    </search>
  );
}

/** The rows in an order that does not jump under a hand: it is renewed now and then, and never while somebody is at the table. */
function useCalmOrder(rows: readonly Integration[], order: string) {
  const shown = useRef({ order: '', ids: [] as readonly string[], time: 0 });
  const [isBusy, setBusy] = useState(false);
  const isNew = shown.current.order !== order;
  const isDue = !isBusy && Date.now() - shown.current.time >= RESORT;
  if (isNew || isDue) shown.current = { order, ids: rows.map(({ id }) => id), time: Date.now() };
  const calm = kept(shown.current.ids, rows);
  const hasMoved = calm.some(({ id }, i) => rows[i]?.id !== id);
  const sortNow = () => {
    shown.current = { ...shown.current, order: '' };
    setBusy(false);
  };
  return { calm, hasMoved: hasMoved && isBusy, setBusy, sortNow };
}

function List() {
  const rows = selected.value;
  const { calm, hasMoved, setBusy, sortNow } = useCalmOrder(rows, query.value.toString());
  if (integrations.value.size === 0) return <FirstRun />;
  if (rows.length === 0) return <NothingFound />;
  return (
    <section
      aria-label="List"
      onPointerEnter={() => setBusy(true)}
      onPointerLeave={() => setBusy(false)}
      onFocusIn={() => setBusy(true)}
      onFocusOut={() => setBusy(false)}
    >
      <p class="quiet count" role="status">
        {rows.length} of {integrations.value.size}
        {hasMoved && (
          <button type="button" class="link" onClick={sortNow}>
            order has changed – sort
          </button>
        )}
      </p>
      <IntegrationTable rows={calm} />
    </section>
  );
}

function NothingFound() {
  const names = ['q', 'takes', 'type', 'state'].filter((name) => query.value.get(name));
  return (
    <Empty title="No integration is like that">
      <p>
        {integrations.value.size} there are, and none that fits{' '}
        {names.map((name) => `${name} = ${query.value.get(name)}`).join(', ')}.
      </p>
      <button type="button" onClick={() => setQuery({ q: '', takes: '', type: '', state: '' })}>
        Show all
      </button>
    </Empty>
  );
}
