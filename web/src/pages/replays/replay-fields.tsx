import { TimeInput } from '../../ui/time-input.tsx';
import type { DraftField, ReplayDraft } from './replay-request.ts';

interface Shown {
  readonly draft: ReplayDraft;
  readonly problems: Readonly<Partial<Record<DraftField, string>>>;
  readonly onChange: (part: Partial<ReplayDraft>) => void;
}

const RANGES = [
  ['all', 'Everything there is'],
  ['times', 'By times'],
  ['offsets', 'By offsets'],
] as const;

/** Which messages. */
export function Choices(shown: Shown) {
  const { draft, onChange } = shown;
  return (
    <fieldset>
      <legend>Which messages</legend>
      <div class="radios">
        {RANGES.map(([range, text]) => (
          <label key={range} class="radio">
            <input
              type="radio"
              name="range"
              checked={draft.range === range}
              onChange={() => onChange({ range })}
            />
            {text}
          </label>
        ))}
      </div>
      {draft.range === 'times' && <Times {...shown} />}
      {draft.range === 'offsets' && <Offsets {...shown} />}
    </fieldset>
  );
}

function Times({ draft, problems, onChange }: Shown) {
  return (
    <>
      <div class="filters">
        <TimeInput label="Taken in from" value={draft.from} onChange={(from) => onChange({ from })} />
        <TimeInput label="before" value={draft.to} onChange={(to) => onChange({ to })} />
      </div>
      <p class="help">No begin: from the first message there. No end: up to now.</p>
      <Problem id="from-problem" text={problems.from ?? problems.to} />
    </>
  );
}

function Offsets({ draft, problems, onChange }: Shown) {
  return (
    <div class="field">
      <label for="offsets">Offsets</label>
      <textarea
        id="offsets"
        rows={4}
        value={draft.offsets}
        placeholder={'0 100 200\n1 40 90'}
        aria-invalid={problems.offsets !== undefined}
        aria-describedby="offsets-help offsets-problem"
        onInput={({ currentTarget }) => onChange({ offsets: currentTarget.value })}
      />
      <p class="help" id="offsets-help">
        A line for each partition of the message topic: the partition, the first offset, the offset after the
        last.
      </p>
      <Problem id="offsets-problem" text={problems.offsets} />
    </div>
  );
}

interface InputProps extends Shown {
  readonly field: 'target' | 'rate';
  readonly label: string;
  readonly help: string;
  readonly placeholder: string;
  /** What can be chosen by typing. */
  readonly list?: readonly string[];
}

/** So many names are offered: those that have what is typed. */
const MOST_OFFERED = 20;

export function DraftInput({
  field,
  label,
  help,
  placeholder,
  list = [],
  draft,
  problems,
  onChange,
}: InputProps) {
  const typed = draft[field].toLowerCase();
  const offered = [...new Set(list)]
    .filter((one) => one.toLowerCase().includes(typed))
    .slice(0, MOST_OFFERED);
  return (
    <div class="field">
      <label for={field}>{label}</label>
      <input
        id={field}
        class="short"
        list={list.length > 0 ? `${field}-list` : undefined}
        value={draft[field]}
        placeholder={placeholder}
        aria-invalid={problems[field] !== undefined}
        aria-describedby={`${field}-help ${field}-problem`}
        onInput={({ currentTarget }) => onChange({ [field]: currentTarget.value })}
      />
      {list.length > 0 && (
        <datalist id={`${field}-list`}>
          {offered.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
      <p class="help" id={`${field}-help`}>
        {help}
      </p>
      <Problem id={`${field}-problem`} text={problems[field]} />
    </div>
  );
}

function Problem({ id, text }: { readonly id: string; readonly text: string | undefined }) {
  return (
    <p id={id} class="problem" role="alert">
      {text}
    </p>
  );
}
