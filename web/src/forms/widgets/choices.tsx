import { COMMENTS } from '../../../../gen/penstock/v1/comments.ts';
import { Comment } from '../../ui/comment.tsx';
import type { ControlProps } from '../control.ts';
import { labelOf } from '../field-model.ts';
import { put } from '../values.ts';
import { useDescribed } from './described.ts';

export function EnumControl(props: ControlProps) {
  const { editor, model } = props;
  const { field } = model;
  const described = useDescribed(props);
  if (field.fieldKind !== 'enum') return null;
  const { values, name } = field.enum;
  const now = editor.message.isSet(field) ? Number(editor.message.get(field)) : 0;
  const chosen = values.find(({ number }) => number === now);
  const comment = chosen && chosen.number !== 0 ? COMMENTS[`${name}.${chosen.name}`] : '';
  return (
    <>
      <select
        {...described}
        value={now}
        onChange={({ currentTarget }) => {
          const number = Number(currentTarget.value);
          editor.update((message) => put(message, field, number === 0 ? undefined : number));
        }}
      >
        {values.map((value) => (
          <option key={value.number} value={value.number}>
            {value.number === 0 ? defaultText(model.fallback) : labelOf(value.localName.toLowerCase())}
          </option>
        ))}
      </select>
      {comment && (
        <p class="help">
          <Comment text={comment} />
        </p>
      )}
    </>
  );
}

const defaultText = (fallback: string | undefined) =>
  fallback === undefined ? 'Default' : `Default (${fallback})`;

export function SwitchControl(props: ControlProps) {
  const { editor, model } = props;
  const { field } = model;
  return (
    <input
      {...useDescribed(props)}
      type="checkbox"
      checked={editor.message.get(field) === true}
      onChange={({ currentTarget }) => {
        const { checked } = currentTarget;
        editor.update((message) => message.set(field, checked as never));
      }}
    />
  );
}

export function YesOrNoControl(props: ControlProps) {
  const { editor, model } = props;
  const { field } = model;
  const now = editor.message.isSet(field) ? String(editor.message.get(field)) : '';
  return (
    <select
      {...useDescribed(props)}
      value={now}
      onChange={({ currentTarget }) => {
        const { value } = currentTarget;
        editor.update((message) => put(message, field, value === '' ? undefined : value === 'true'));
      }}
    >
      <option value="">{defaultText(model.fallback)}</option>
      <option value="true">Yes</option>
      <option value="false">No</option>
    </select>
  );
}
