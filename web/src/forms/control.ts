import type { DescField } from '@bufbuild/protobuf';
import type { ComponentChildren } from 'preact';
import type { Editor } from './editor.ts';
import type { FieldModel } from './field-model.ts';

/** What a control needs. */
export interface ControlProps {
  readonly editor: Editor;
  readonly model: FieldModel;
  /** Of the element that takes the value. */
  readonly id: string;
}

/** Draws fields of a message. */
export type DrawFields = (editor: Editor, fields: readonly DescField[]) => ComponentChildren;
