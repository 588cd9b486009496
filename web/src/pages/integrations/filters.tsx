import { IntegrationType } from '../../../../src/client/contract.ts';
import { query, setQuery } from '../../app/location.ts';
import { typeName } from '../../ui/names.ts';
import { COLUMNS, isShown, showColumn } from './columns.tsx';
import { selection } from './integration-table.tsx';

const TYPES = [IntegrationType.HTTP, IntegrationType.MQTT, IntegrationType.KAFKA];

/** Which of them are listed, and what of each is shown. */
export function Filters() {
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
          {TYPES.map((one) => (
            <option key={one} value={typeName(one).toLowerCase()}>
              {typeName(one)}
            </option>
          ))}
        </select>
      </label>
      <Columns />
    </search>
  );
}

/** Kept in this browser. */
function Columns() {
  return (
    <details class="columns">
      <summary class="button">Columns</summary>
      <fieldset>
        <legend class="unseen">Columns shown</legend>
        {COLUMNS.filter(({ isFixed }) => !isFixed).map((column) => (
          <label key={column.name}>
            <input
              type="checkbox"
              checked={isShown(column)}
              onChange={({ currentTarget }) => showColumn(column, currentTarget.checked)}
            />
            {column.head}
          </label>
        ))}
        <p class="quiet">A narrow window has fewer.</p>
      </fieldset>
    </details>
  );
}
