import { query, setQuery } from '../../app/location.ts';
import { failureName } from '../../ui/names.ts';
import { TimeInput } from '../../ui/time-input.tsx';
import { CLASSES, toggledClass } from './letter-filter.ts';

const said = (name: string): string => query.value.get(name) ?? '';

/** What the server can choose dead letters by. It is asked once something is typed whole, not letter by letter. */
export function Filters() {
  const chosen = said('class').split(',');
  return (
    <>
      <ul class="summary classes" aria-label="By failure class">
        {CLASSES.map((one) => (
          <li key={one}>
            <button
              type="button"
              aria-pressed={chosen.includes(failureName(one))}
              onClick={() => setQuery({ class: toggledClass(query.value, one), group: '' })}
            >
              {failureName(one)}
            </button>
          </li>
        ))}
      </ul>
      <search class="filters">
        <label>
          Topic filter
          <input
            value={said('topic')}
            placeholder="sensors/+/temperature"
            onChange={({ currentTarget }) => setQuery({ topic: currentTarget.value, group: '' })}
          />
        </label>
        <label>
          Client identifier
          <input
            value={said('client')}
            onChange={({ currentTarget }) => setQuery({ client: currentTarget.value, group: '' })}
          />
        </label>
        <TimeInput
          label="Given up from"
          value={said('from')}
          onChange={(from) => setQuery({ from, group: '' })}
        />
        <TimeInput label="before" value={said('to')} onChange={(to) => setQuery({ to, group: '' })} />
        <label class="check">
          <input
            type="checkbox"
            checked={said('redriven') === 'yes'}
            onChange={({ currentTarget }) =>
              setQuery({ redriven: currentTarget.checked ? 'yes' : '', group: '' })
            }
          />
          also those that were put back
        </label>
      </search>
    </>
  );
}
