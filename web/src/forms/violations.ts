import type { Violation } from '../../../src/client/contract.ts';

/** What is wrong, by the path of the control that it is shown at; under the empty path: what no control has. */
export type Shown = ReadonlyMap<string, readonly string[]>;

const PREFIX = /^integration(\.|$)/;

/** Puts each violation at the control of its field, or of what the field is in; never away. */
export function placed(
  violations: readonly Pick<Violation, 'path' | 'description'>[],
  controls: ReadonlySet<string>,
): Shown {
  const shown = new Map<string, string[]>();
  for (const { path, description } of violations) {
    const own = path.replace(PREFIX, '');
    const control = controlFor(own, controls);
    const text = control === '' && own !== '' ? `${own}: ${description}` : description;
    shown.set(control, [...(shown.get(control) ?? []), text]);
  }
  return shown;
}

/** A step of a path: a field, or an item by its number or its key. */
const STEP = /\.?[^.[\]]+|\["(?:\\.|[^"\\])*"\]|\[\d+\]/g;

/** The control of the field, or of what the field is in; empty: there is none. */
export function controlFor(path: string, controls: ReadonlySet<string>): string {
  const steps = path.match(STEP) ?? [];
  for (let count = steps.length; count > 0; count--) {
    const at = steps.slice(0, count).join('');
    if (controls.has(at)) return at;
  }
  return '';
}
