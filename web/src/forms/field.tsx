import { create, type DescField } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import type { ComponentChildren } from 'preact';
import { Comment } from '../ui/comment.tsx';
import type { ControlProps, DrawFields } from './control.ts';
import { type Editor, nested, pathIn } from './editor.ts';
import { type FieldModel, modelOf } from './field-model.ts';
import { useForm } from './form-state.ts';
import { Choice } from './widgets/choice.tsx';
import { EnumControl, SwitchControl, YesOrNoControl } from './widgets/choices.tsx';
import { Items } from './widgets/items.tsx';
import { LinesControl } from './widgets/lines.tsx';
import { PairsControl } from './widgets/pairs.tsx';
import { SecretControl } from './widgets/secret.tsx';
import { DurationControl, NumberControl, TextControl } from './widgets/text.tsx';

interface FieldProps {
  readonly editor: Editor;
  readonly field: DescField;
}

/** One field of a message, by whatever the schema says it is. */
export function Field({ editor, field }: FieldProps) {
  const model = modelOf(field);
  if (model.widget === 'message' && field.fieldKind === 'message') {
    return (
      <Group model={model} path={pathIn(editor, field)}>
        <MaybeSet editor={editor} field={field} />
      </Group>
    );
  }
  if (model.widget === 'choice' && field.fieldKind === 'message') {
    return (
      <Group model={model} path={pathIn(editor, field)}>
        <Choice editor={nested(editor, field)} parent={editor} field={field} draw={draw} />
      </Group>
    );
  }
  if (model.widget === 'items') {
    return (
      <Group model={model} path={pathIn(editor, field)}>
        <Items editor={editor} field={field} draw={draw} />
      </Group>
    );
  }
  return <Labelled editor={editor} model={model} />;
}

interface MaybeSetProps {
  readonly editor: Editor;
  readonly field: DescField & { readonly fieldKind: 'message' };
}

/** A message that is set or not, which is not the same as one without anything in it. */
function MaybeSet({ editor, field }: MaybeSetProps) {
  const isSet = editor.message.isSet(field);
  const toggle = () =>
    editor.update((message) => {
      if (isSet) message.clear(field);
      else message.set(field, reflect(field.message, create(field.message)));
    });
  return (
    <>
      <label class="radio">
        <input type="checkbox" checked={isSet} onChange={toggle} />
        Set
      </label>
      {isSet && <Fields editor={nested(editor, field)} fields={field.message.fields} />}
    </>
  );
}

/** Fields are drawn in fields. */
const draw: DrawFields = (editor, fields) => <Fields editor={editor} fields={fields} />;

export function Fields({
  editor,
  fields,
}: {
  readonly editor: Editor;
  readonly fields: readonly DescField[];
}) {
  return (
    <>
      {fields.map((field) => (
        <Field key={field.name} editor={editor} field={field} />
      ))}
    </>
  );
}

interface GroupProps {
  readonly model: FieldModel;
  readonly path: string;
  readonly children: ComponentChildren;
}

function Group({ model, path, children }: GroupProps) {
  return (
    <fieldset data-path={path} tabIndex={-1}>
      <legend>{model.label}</legend>
      {model.help !== '' && (
        <p class="help">
          <Comment text={model.help} />
        </p>
      )}
      <Problems path={path} id={`${path}-problem`} />
      {children}
    </fieldset>
  );
}

function Labelled({ editor, model }: { readonly editor: Editor; readonly model: FieldModel }) {
  const path = pathIn(editor, model.field);
  const id = `field-${path}`;
  return (
    <div class="field" data-path={path}>
      <label for={id}>
        {model.label}
        {model.isRequired && <span class="quiet"> required</span>}
      </label>
      <Control editor={editor} model={model} id={id} />
      <Problems path={path} id={`${id}-problem`} />
      <p class="help" id={`${id}-help`}>
        <Comment text={model.help} />
        {model.fallback !== undefined && (
          <>
            {' '}
            Not set: <Comment text={model.fallback} />.
          </>
        )}
      </p>
    </div>
  );
}

function Control(props: ControlProps) {
  switch (props.model.widget) {
    case 'enum':
      return <EnumControl {...props} />;
    case 'switch':
      return <SwitchControl {...props} />;
    case 'yes or no':
      return <YesOrNoControl {...props} />;
    case 'secret':
      return <SecretControl {...props} />;
    case 'number':
      return <NumberControl {...props} />;
    case 'duration':
      return <DurationControl {...props} />;
    case 'lines':
      return <LinesControl {...props} />;
    case 'pairs':
      return <PairsControl {...props} />;
    default:
      return <TextControl {...props} />;
  }
}

function Problems({ path, id }: { readonly path: string; readonly id: string }) {
  const texts = useForm().shown.get(path) ?? [];
  if (texts.length === 0) return null;
  return (
    <p class="problem" id={id}>
      {texts.join('; ')}
    </p>
  );
}
