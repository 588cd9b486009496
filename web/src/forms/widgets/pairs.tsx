import { useEffect, useState } from 'preact/hooks';
import type { ControlProps } from '../control.ts';
import { pathIn } from '../editor.ts';
import { useForm } from '../form-state.ts';
import { useDescribed } from './described.ts';

type Pair = readonly [key: string, value: string];

/** Names with values. A name that stands twice is told at once: the map would have one of them. */
export function PairsControl(props: ControlProps) {
  const { editor, model } = props;
  const { field } = model;
  const { setProblem } = useForm();
  const described = useDescribed(props);
  const [typed, setTyped] = useState<readonly Pair[]>();
  const path = pathIn(editor, field);
  // What cannot be read goes with its control.
  useEffect(() => () => setProblem(path, undefined), [path]);
  if (field.fieldKind !== 'map') return null;
  const stored = [...editor.message.get(field)].map(([key, value]): Pair => [String(key), String(value)]);
  const rows = typed ?? stored;
  const take = (next: readonly Pair[]) => {
    setTyped(next);
    const named = next.filter(([key]) => key !== '');
    const twice = named.find(([key], i) => named.findIndex(([other]) => other === key) !== i);
    setProblem(path, twice && `${twice[0]} stands twice`);
    editor.update((message) => {
      message.clear(field);
      const map = message.get(field);
      for (const [key, value] of named) map.set(key, value);
    });
  };
  const change = (index: number, pair: Pair) => take(rows.map((row, i) => (i === index ? pair : row)));
  return (
    <div class="pairs-control">
      {rows.map(([key, value], i) => (
        <div key={i} class="pair">
          <input
            {...(i === 0 ? described : {})}
            aria-label={`${model.label}: name ${i + 1}`}
            value={key}
            onInput={({ currentTarget }) => change(i, [currentTarget.value, value])}
          />
          <input
            aria-label={`${model.label}: value ${i + 1}`}
            value={value}
            onInput={({ currentTarget }) => change(i, [key, currentTarget.value])}
          />
          <button
            type="button"
            aria-label={`Remove ${key}`}
            onClick={() => take(rows.filter((_, at) => at !== i))}
          >
            Remove
          </button>
        </div>
      ))}
      <button
        type="button"
        {...(rows.length === 0 ? { id: props.id } : {})}
        aria-label={`Add to ${model.label}`}
        onClick={() => take([...rows, ['', '']])}
      >
        Add
      </button>
    </div>
  );
}
