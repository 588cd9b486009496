import { create, type DescField } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { COMMENTS } from '../../../../gen/penstock/v1/comments.ts';
import { Comment } from '../../ui/comment.tsx';
import type { DrawFields } from '../control.ts';
import { type Editor, nested } from '../editor.ts';
import { labelOf } from '../field-model.ts';

interface ChoiceProps {
  /** The message that has the choice. */
  readonly editor: Editor;
  /** What the message is in, and in which field. */
  readonly parent: Editor;
  readonly field: DescField & { readonly fieldKind: 'message' };
  readonly draw: DrawFields;
}

/** A message of which one of several parts is set. */
export function Choice({ editor, parent, field, draw }: ChoiceProps) {
  const [oneof] = field.message.oneofs;
  if (oneof === undefined) return null;
  const chosen = parent.message.isSet(field) ? editor.message.oneofCase(oneof) : undefined;
  const rest = field.message.fields.filter((one) => one.oneof === undefined);
  return (
    <>
      <div class="radios">
        <Radio
          name={editor.path}
          text="Not set"
          isOn={chosen === undefined}
          onPick={() => parent.update((message) => message.clear(field))}
        />
        {oneof.fields.map((one) => (
          <Radio
            key={one.name}
            name={editor.path}
            text={labelOf(one.name)}
            isOn={chosen === one}
            onPick={() => editor.update((message) => message.set(one, emptyOf(one)))}
          />
        ))}
      </div>
      {chosen && <Chosen editor={editor} field={chosen} draw={draw} />}
      {chosen && draw(editor, rest)}
    </>
  );
}

interface ChosenProps {
  readonly editor: Editor;
  readonly field: DescField;
  readonly draw: DrawFields;
}

/** What is chosen, with its fields. */
function Chosen({ editor, field, draw }: ChosenProps) {
  if (field.fieldKind !== 'message') return <>{draw(editor, [field])}</>;
  const comment = COMMENTS[field.message.name];
  return (
    <>
      {comment && (
        <p class="help">
          <Comment text={comment} />
        </p>
      )}
      {draw(nested(editor, field), field.message.fields)}
    </>
  );
}

function emptyOf(field: DescField): never {
  const value = field.message ? reflect(field.message, create(field.message)) : '';
  return value as never;
}

interface RadioProps {
  readonly name: string;
  readonly text: string;
  readonly isOn: boolean;
  readonly onPick: () => void;
}

export function Radio({ name, text, isOn, onPick }: RadioProps) {
  return (
    <label class="radio">
      <input type="radio" name={name} checked={isOn} onChange={onPick} />
      {text}
    </label>
  );
}
