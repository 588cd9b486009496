import { create, type DescField, type DescOneof } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { useRef } from 'preact/hooks';
import { COMMENTS } from '../../../../gen/penstock/v1/comments.ts';
import type { Integration } from '../../../../src/client/contract.ts';
import type { Editor } from '../../forms/editor.ts';
import { Comment } from '../../ui/comment.tsx';

interface TypeCardsProps {
  readonly root: Editor;
  readonly oneof: DescOneof;
  readonly stored: Integration | undefined;
}

/** Of what type it is. Another one keeps what both have, and what was typed for the one before. */
export function TypeCards({ root, oneof, stored }: TypeCardsProps) {
  const left = useRef(new Map<DescField, unknown>());
  const chosen = root.message.oneofCase(oneof);
  const pick = (field: DescField) => {
    if (field === chosen || field.fieldKind !== 'message') return;
    root.update((message) => {
      const before = chosen?.fieldKind === 'message' ? message.get(chosen) : undefined;
      if (chosen && before) left.current.set(chosen, before);
      const known = left.current.get(field);
      const next = known ?? reflect(field.message, create(field.message));
      if (!known && before) takeOver(next as ReflectMessage, before);
      message.set(field, next as never);
    });
  };
  return (
    <div class="cards" data-path="configuration" role="radiogroup" aria-label="Type">
      {oneof.fields.map((field) => (
        <label key={field.name} class="card">
          <input type="radio" name="configuration" checked={chosen === field} onChange={() => pick(field)} />
          <b>{field.name.toUpperCase()}</b>
          <span class="quiet">
            <Comment text={firstSentence(COMMENTS[field.message?.name ?? ''] ?? '')} />
          </span>
          {stored?.configuration.case === field.localName && <span class="quiet">as it is stored</span>}
        </label>
      ))}
    </div>
  );
}

const firstSentence = (text: string) => text.split(/(?<=\.) /, 1)[0] ?? '';

/** What both types have, by name and kind. */
function takeOver(next: ReflectMessage, before: ReflectMessage): void {
  for (const field of next.fields) {
    const same = before.fields.find((one) => one.name === field.name);
    const isAlike =
      same?.fieldKind === 'scalar' && field.fieldKind === 'scalar' && same.scalar === field.scalar;
    const isSameEnum = same?.fieldKind === 'enum' && field.fieldKind === 'enum' && same.enum === field.enum;
    if (same && (isAlike || isSameEnum) && before.isSet(same)) next.set(field, before.get(same) as never);
  }
}
