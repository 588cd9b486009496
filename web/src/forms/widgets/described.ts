import type { ControlProps } from '../control.ts';
import { pathIn } from '../editor.ts';
import { useForm } from '../form-state.ts';

/** What ties a control to its help, and to what is wrong with it. */
export function useDescribed({ editor, model, id }: ControlProps) {
  const path = pathIn(editor, model.field);
  const isWrong = useForm().shown.has(path);
  return {
    id,
    name: path,
    'aria-describedby': isWrong ? `${id}-problem ${id}-help` : `${id}-help`,
    'aria-invalid': isWrong,
  };
}
