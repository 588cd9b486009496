import type { Duration } from '@bufbuild/protobuf/wkt';
import { useEffect, useState } from 'preact/hooks';
import type { ControlProps } from '../control.ts';
import { pathIn } from '../editor.ts';
import { useForm } from '../form-state.ts';
import { durationText, numberText, put, type Read, readDuration, readNumber } from '../values.ts';
import { useDescribed } from './described.ts';
import { Pem } from './pem.tsx';

export function TextControl(props: ControlProps) {
  const { editor, model } = props;
  const { field } = model;
  const described = useDescribed(props);
  const value = editor.message.isSet(field) ? String(editor.message.get(field)) : '';
  const set = (text: string) =>
    editor.update((message) => put(message, field, text === '' ? undefined : text));
  if (model.widget === 'long text') {
    return (
      <>
        <textarea
          {...described}
          rows={3}
          spellcheck={false}
          value={value}
          onInput={({ currentTarget }) => set(currentTarget.value)}
        />
        <Pem name={field.name} label={model.label} value={value} onChange={set} />
      </>
    );
  }
  return (
    <input
      {...described}
      value={value}
      spellcheck={false}
      autocomplete="off"
      onInput={({ currentTarget }) => set(currentTarget.value)}
    />
  );
}

export function NumberControl(props: ControlProps) {
  const { field } = props.model;
  return (
    <ReadControl
      {...props}
      read={(text) => readNumber(text, field)}
      textOf={(value) => numberText(value as number | bigint, field)}
    />
  );
}

export function DurationControl(props: ControlProps) {
  return <ReadControl {...props} read={readDuration} textOf={(value) => durationText(value as Duration)} />;
}

interface ReadProps extends ControlProps {
  readonly read: (text: string) => Read<unknown>;
  readonly textOf: (value: unknown) => string;
}

/** A text that stands for a value. What cannot be read stays as it was typed, and says why. */
function ReadControl({ read, textOf, ...props }: ReadProps) {
  const { editor, model } = props;
  const { field } = model;
  const { setProblem } = useForm();
  const described = useDescribed(props);
  const path = pathIn(editor, field);
  const storedText = () => {
    if (!editor.message.isSet(field)) return '';
    const value: unknown = editor.message.get(field);
    const isMessage = typeof value === 'object' && value !== null && 'message' in value;
    return textOf(isMessage ? value.message : value);
  };
  const [typed, setTyped] = useState<string>();
  // What cannot be read goes with its control.
  useEffect(() => () => setProblem(path, undefined), [path]);
  const take = (text: string) => {
    setTyped(text);
    const result = read(text);
    setProblem(path, 'problem' in result ? result.problem : undefined);
    if (!('problem' in result)) editor.update((message) => put(message, field, result.value));
  };
  return (
    <input
      {...described}
      class="short"
      value={typed ?? storedText()}
      placeholder={model.fallback}
      autocomplete="off"
      onInput={({ currentTarget }) => take(currentTarget.value)}
    />
  );
}
