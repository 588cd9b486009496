import { clone, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Integration, IntegrationSchema } from '../../../src/client/contract.ts';

/** A message of a draft, wherever it is in it, and how it is changed. */
export interface Editor {
  readonly desc: DescMessage;
  /** From the integration down, as violations name it: empty for the integration, `http.credentials.basic`. */
  readonly path: string;
  readonly message: ReflectMessage;
  /** Changes the message in a new draft; what stands around it is made where it is missing. */
  update(change: (message: ReflectMessage) => void): void;
}

export function rootEditor(draft: Integration, onChange: (next: Integration) => void): Editor {
  return {
    desc: IntegrationSchema,
    path: '',
    message: reflect(IntegrationSchema, draft),
    update(change) {
      const next = clone(IntegrationSchema, draft);
      change(reflect(IntegrationSchema, next));
      onChange(next);
    },
  };
}

export const pathIn = ({ path }: Pick<Editor, 'path'>, { name }: DescField): string =>
  path === '' ? name : `${path}.${name}`;

/** The message of a field; while it is unset, an empty one. */
export function nested(editor: Editor, field: DescField & { fieldKind: 'message' }): Editor {
  return {
    desc: field.message,
    path: pathIn(editor, field),
    message: editor.message.get(field),
    update: (change) =>
      editor.update((message) => {
        const inner = message.get(field);
        change(inner);
        message.set(field, inner);
      }),
  };
}

/** A message of a list. */
export function itemOf(
  editor: Editor,
  field: DescField & { fieldKind: 'list'; listKind: 'message' },
  index: number,
): Editor {
  const at = (message: ReflectMessage): ReflectMessage => {
    const item = message.get(field).get(index);
    if (!isReflectMessage(item)) throw new Error(`there is no ${field.name}[${index}]`);
    return item;
  };
  return {
    desc: field.message,
    path: `${pathIn(editor, field)}[${index}]`,
    message: at(editor.message),
    update: (change) =>
      editor.update((message) => {
        const item = at(message);
        change(item);
        message.get(field).set(index, item);
      }),
  };
}
