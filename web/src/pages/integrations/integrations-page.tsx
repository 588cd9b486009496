import { computed } from '@preact/signals';
import { useRef, useState } from 'preact/hooks';
import { type Integration, IntegrationState, IntegrationType } from '../../../../src/client/contract.ts';
import { query, setQuery } from '../../app/location.ts';
import { integrationPath, newPath } from '../../app/routes.ts';
import { integrations, isSynced } from '../../live/live.ts';
import { LongTable } from '../../ui/long-table.tsx';
import { stateName, typeName } from '../../ui/names.ts';
import { Empty, Loading } from '../../ui/notice.tsx';
import { RoleLink } from '../../ui/role-link.tsx';
import { State } from '../../ui/state.tsx';
import { Ago } from '../../ui/time.tsx';
import { EnabledSwitch } from './enabled-switch.tsx';
import { FirstRun } from './first-run.tsx';
import { countsOf, kept, type SortKey, selectionOf, sorted } from './selection.ts';

const ROW = 46;
/** A table that nobody is at is put in order so often, in milliseconds. */
const RESORT = 2000;

const selection = computed(() => selectionOf(query.value));
const selected = computed(() => sorted(integrations.value.values(), selection.value));

export function IntegrationsPage() {
  return (
    <>
      <header class="page-head">
        <h1>Integrations</h1>
        <Summary />
        <p>
          <RoleLink method="CreateIntegration" href={newPath()} text="New integration" isPrimary />
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
            onClick={() => setQuery({ state: now === state ? '' : String(state) })}
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
      <LongTable
        label="Integrations"
        columns={COLUMNS}
        rows={calm}
        keyOf={({ id }) => id}
        cells={(one) => <Cells integration={one} />}
        rowHeight={ROW}
      />
    </section>
  );
}

const sortHead = (key: SortKey, text: string) => ({
  name: key,
  head: <SortHead sortKey={key} text={text} />,
});
const COLUMNS = [
  sortHead('state', 'State'),
  sortHead('name', 'Name'),
  sortHead('type', 'Type'),
  { name: 'filters', head: 'Topic filters' },
  sortHead('lag', 'Waiting'),
  sortHead('delivered', 'Delivered'),
  sortHead('since', 'Since'),
  { name: 'executors', head: 'Executors' },
  { name: 'enabled', head: 'Enabled' },
];

function SortHead({ sortKey, text }: { readonly sortKey: SortKey; readonly text: string }) {
  const { sort, isDescending } = selection.value;
  const isSorted = sort === sortKey;
  const next = isSorted && !isDescending ? `-${sortKey}` : sortKey;
  return (
    <button
      type="button"
      class="link"
      aria-label={`Sort by ${text}`}
      onClick={() => setQuery({ sort: next === 'state' ? '' : next })}
    >
      {text} {isSorted ? (isDescending ? '↓' : '↑') : ''}
    </button>
  );
}

function Cells({ integration }: { readonly integration: Integration }) {
  const { id, name, description, topicFilters, type, status } = integration;
  const executors = status?.executors.map(({ serviceId }) => serviceId) ?? [];
  const [first = '', ...more] = topicFilters;
  return (
    <>
      <td>
        <State state={status?.state ?? IntegrationState.UNSPECIFIED} />
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
