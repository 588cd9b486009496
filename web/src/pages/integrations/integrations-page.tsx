import { computed } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { query, setQuery } from '../../app/location.ts';
import { newPath } from '../../app/routes.ts';
import { rates } from '../../live/figures.ts';
import { integrations, isSynced } from '../../live/live.ts';
import { type AllRates, areAllAsked } from '../../live/rates.ts';
import { Empty, Loading } from '../../ui/notice.tsx';
import { RoleLink } from '../../ui/role-button.tsx';
import { BulkBar } from './bulk-bar.tsx';
import { Filters } from './filters.tsx';
import { FirstRun } from './first-run.tsx';
import { IntegrationTable, selection } from './integration-table.tsx';
import { pickAll, picked } from './picking.tsx';
import { pickedOf } from './picks.ts';
import { isSelected, orderOf } from './selection.ts';
import { Summary } from './summary.tsx';
import { useCalmOrder } from './use-calm-order.ts';

const NONE: AllRates = new Map();
const listed = computed(() => {
  const wanted = selection.value;
  const known = wanted.health === undefined ? NONE : rates.value;
  return [...integrations.value.values()].filter((one) => isSelected(one, wanted, known.get(one.id)));
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

function List() {
  const all = listed.value;
  const known = areAllAsked(all.length) ? rates.value : NONE;
  const compare = useMemo(() => orderOf(selection.value, known), [selection.value, known]);
  // What has all come is put in order at once.
  const order = `${query.value} ${isSynced.value}`;
  const { rows, hasMoved, setBusy, sortNow } = useCalmOrder(all, compare, order);
  const chosen = pickedOf(rows, picked.value);
  if (integrations.value.size === 0) return <FirstRun />;
  const pickByKey = (event: KeyboardEvent) => {
    if (event.key !== 'a' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    pickAll(rows);
  };
  return (
    <>
      <BulkBar chosen={chosen} />
      {rows.length === 0 ? (
        <NothingFound />
      ) : (
        <section
          aria-label="List"
          onPointerEnter={() => setBusy(true)}
          onPointerLeave={() => setBusy(false)}
          onFocusIn={() => setBusy(true)}
          onFocusOut={() => setBusy(false)}
          onKeyDown={pickByKey}
        >
          <p class="quiet count" role="status">
            {rows.length} of {integrations.value.size}
            {hasMoved && (
              <button type="button" class="link" onClick={sortNow}>
                order has changed – sort
              </button>
            )}
          </p>
          <IntegrationTable rows={rows} />
        </section>
      )}
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
