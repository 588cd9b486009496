import { useState } from 'preact/hooks';
import type { ControlProps } from '../control.ts';
import { pathIn } from '../editor.ts';
import { useForm } from '../form-state.ts';
import { put } from '../values.ts';
import { useDescribed } from './described.ts';
import { Pem } from './pem.tsx';

/** A value that is written and never read: the one that is stored is kept until another one is typed. */
export function SecretControl(props: ControlProps) {
  const { editor, model } = props;
  const { field } = model;
  const { storedSecrets, lostSecrets } = useForm();
  const described = useDescribed(props);
  const [isShown, setShown] = useState(false);
  const value = editor.message.isSet(field) ? String(editor.message.get(field)) : '';
  const isStored = storedSecrets.includes(pathIn(editor, field));
  const isLong = /key|cert/.test(field.name) && !/password/.test(field.name);
  const set = (text: string) =>
    editor.update((message) => put(message, field, text === '' ? undefined : text));
  const isLost = value === '' && lostSecrets.includes(pathIn(editor, field));
  const placeholder = isLost ? 'give it again' : isStored ? 'stored, and kept' : 'not set';
  return (
    <div class="secret-control">
      {isLong ? (
        <textarea
          {...described}
          rows={3}
          spellcheck={false}
          placeholder={placeholder}
          value={value}
          onInput={({ currentTarget }) => set(currentTarget.value)}
        />
      ) : (
        <input
          {...described}
          type={(isShown ? 'text' : 'password') as 'password'}
          autocomplete="new-password"
          placeholder={placeholder}
          value={value}
          onInput={({ currentTarget }) => set(currentTarget.value)}
        />
      )}
      {isLong && <Pem name={field.name} label={model.label} value={value} onChange={set} />}
      {!isLong && value !== '' && (
        <button type="button" onClick={() => setShown(!isShown)}>
          {isShown ? 'Hide' : 'Show'}
        </button>
      )}
      {isLost && (
        <p class="problem">
          What was typed before the page was loaded anew is not kept: give it again
          {isStored && ', or the stored one stays'}.
        </p>
      )}
      {isStored && value !== '' && (
        <button type="button" onClick={() => set('')}>
          Keep the stored one
        </button>
      )}
    </div>
  );
}
