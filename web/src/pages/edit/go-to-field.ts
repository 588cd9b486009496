import { controlFor } from '../../forms/violations.ts';

/** Where violations can be shown. */
export const controlsIn = (form: HTMLFormElement | null): ReadonlySet<string> =>
  new Set(
    [...(form?.querySelectorAll<HTMLElement>('[data-path]') ?? [])].map(({ dataset }) => dataset.path ?? ''),
  );

/** Focuses the control of a field, or of what the field is in. */
export function goToField(form: HTMLFormElement | null, path: string): void {
  const found = controlFor(path, controlsIn(form));
  const at = form?.querySelector<HTMLElement>(`[data-path="${CSS.escape(found)}"]`);
  const control = at?.querySelector<HTMLElement>('input, select, textarea, button');
  at?.scrollIntoView({ block: 'center' });
  (control ?? at)?.focus();
}
