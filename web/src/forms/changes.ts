import type { DescField } from '@bufbuild/protobuf';
import { isReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Integration, IntegrationSchema } from '../../../src/client/contract.ts';
import { applyUpdate } from '../../../src/contract/apply-update.ts';
import { changedPaths } from '../../../src/contract/changed-paths.ts';

/** What two people made of the same. */
export interface Merge {
  /** What only I changed. */
  readonly mine: readonly string[];
  /** What only they changed. */
  readonly theirs: readonly string[];
  /** What both changed, and not to the same. */
  readonly both: readonly string[];
}

export function mergeOf(base: Integration, theirs: Integration, mine: Integration): Merge {
  const ofMine = changedPaths(base, mine);
  const ofTheirs = changedPaths(base, theirs);
  const same = (path: string) => !changedPaths(theirs, mine).some((other) => isTouching(path, other));
  const meets = (path: string, others: readonly string[]) => others.some((other) => isTouching(path, other));
  return {
    mine: ofMine.filter((path) => !meets(path, ofTheirs)),
    theirs: ofTheirs.filter((path) => !meets(path, ofMine)),
    both: ofMine.filter((path) => meets(path, ofTheirs) && !same(path)),
  };
}

/** Whether one of them is the other, or leads to it. */
const isTouching = (a: string, b: string): boolean =>
  a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);

/** Theirs, with my changes at these paths. */
export const withMine = (theirs: Integration, mine: Integration, paths: readonly string[]): Integration =>
  paths.length === 0 ? theirs : applyUpdate(theirs, mine, paths).integration;

/** What stands at a path, for people; empty: it is not set. */
export function textAt(integration: Integration, path: string): string {
  let message = reflect(IntegrationSchema, integration);
  const names = path.split('.');
  for (const [i, name] of names.entries()) {
    const field = message.fields.find((one) => one.name === name);
    if (!field || !message.isSet(field)) return '';
    if (field.proto.options?.debugRedact) return 'a new value';
    const value: unknown = message.get(field);
    if (i < names.length - 1 && isReflectMessage(value)) message = value;
    else return plain(field, value);
  }
  return '';
}

function plain(field: DescField, value: unknown): string {
  if (field.fieldKind === 'enum') return field.enum.value[Number(value)]?.name ?? String(value);
  if (field.fieldKind === 'list' && field.listKind !== 'message')
    return [...(value as Iterable<unknown>)].join(', ');
  if (field.fieldKind === 'map') {
    return [...(value as Iterable<readonly [unknown, unknown]>)]
      .map(([key, one]) => `${key}: ${one}`)
      .join(', ');
  }
  return typeof value === 'object' ? 'set' : String(value);
}
