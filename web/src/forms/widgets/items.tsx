import { create, type DescField } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import type { DrawFields } from '../control.ts';
import { type Editor, itemOf } from '../editor.ts';

interface ItemsProps {
  readonly editor: Editor;
  readonly field: DescField;
  readonly draw: DrawFields;
}

/** A list of messages, each with its fields. */
export function Items({ editor, field, draw }: ItemsProps) {
  if (field.fieldKind !== 'list' || field.listKind !== 'message') return null;
  const count = editor.message.get(field).size;
  const add = () =>
    editor.update((message) => {
      message.get(field).add(reflect(field.message, create(field.message)));
    });
  const remove = (index: number) =>
    editor.update((message) => {
      const list = message.get(field);
      const rest = [...list].filter((_, i) => i !== index);
      list.clear();
      for (const item of rest) list.add(item);
    });
  return (
    <>
      {Array.from({ length: count }, (_, i) => (
        <div key={i} class="item">
          {draw(itemOf(editor, field, i), field.message.fields)}
          <button type="button" onClick={() => remove(i)}>
            Remove
          </button>
        </div>
      ))}
      <button type="button" onClick={add}>
        Add
      </button>
    </>
  );
}
