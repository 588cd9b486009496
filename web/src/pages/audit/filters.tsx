import { METHODS_OF_ROLES } from '../../../../gen/penstock/v1/roles.ts';
import { query, setQuery } from '../../app/location.ts';
import { TimeInput } from '../../ui/time-input.tsx';

/** What can be called, for completion. */
const METHODS = METHODS_OF_ROLES.flatMap(([, methods]) => methods.split(' ')).toSorted();

const said = (name: string): string => query.value.get(name) ?? '';

/** What the server can choose records by. It is asked once something is typed whole, not letter by letter. */
export function Filters() {
  return (
    <search class="filters">
      <Text name="who" label="Who" placeholder="ada@example.com" />
      <Text name="method" label="What" placeholder="IntegrationService/UpdateIntegration" list="methods" />
      <datalist id="methods">
        {METHODS.map((method) => (
          <option key={method} value={method} />
        ))}
      </datalist>
      <Text name="integration" label="Integration" placeholder="its id" />
      <TimeInput label="From" value={said('from')} onChange={(from) => setQuery({ from })} />
      <TimeInput label="before" value={said('to')} onChange={(to) => setQuery({ to })} />
      <label class="check">
        <input
          type="checkbox"
          checked={said('result') === 'refused'}
          onChange={({ currentTarget }) => setQuery({ result: currentTarget.checked ? 'refused' : '' })}
        />
        only what was refused
      </label>
    </search>
  );
}

interface TextProps {
  readonly name: string;
  readonly label: string;
  readonly placeholder: string;
  readonly list?: string | undefined;
}

function Text({ name, label, placeholder, list }: TextProps) {
  return (
    <label>
      {label}
      <input
        type="text"
        value={said(name)}
        placeholder={placeholder}
        list={list}
        onChange={({ currentTarget }) => setQuery({ [name]: currentTarget.value.trim() })}
      />
    </label>
  );
}
