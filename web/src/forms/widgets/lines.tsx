import { useState } from 'preact/hooks';
import type { ControlProps } from '../control.ts';
import { linesOf } from '../values.ts';
import { useDescribed } from './described.ts';

/** A list of texts, one in each line: many can be pasted, and moved, at once. */
export function LinesControl(props: ControlProps) {
  const { editor, model } = props;
  const { field } = model;
  const described = useDescribed(props);
  const [typed, setTyped] = useState<string>();
  if (field.fieldKind !== 'list') return null;
  const values = [...editor.message.get(field)].map(String);
  const take = (text: string) => {
    setTyped(text);
    editor.update((message) => {
      message.clear(field);
      const list = message.get(field);
      for (const line of linesOf(text)) list.add(line);
    });
  };
  return (
    <textarea
      {...described}
      rows={Math.min(8, Math.max(2, values.length + 1))}
      spellcheck={false}
      placeholder="one in each line"
      value={typed ?? values.join('\n')}
      onInput={({ currentTarget }) => take(currentTarget.value)}
    />
  );
}
