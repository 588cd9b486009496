import { clone, type DescField, equals } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Integration, IntegrationSchema } from '../../../src/client/contract.ts';
import { applyUpdate } from '../../../src/contract/apply-update.ts';
import { isSettable } from './field-model.ts';

/**
 * The paths of what differs, as an update mask has them: a list or a map counts as one, and so does a message that only one has.
 * What a version of the UI does not know is in none of them, and stays as it is.
 */
export function changedPaths(before: Integration, after: Integration): readonly string[] {
  const fields = IntegrationSchema.fields.filter(isSettable);
  return differing(fields, reflect(IntegrationSchema, before), reflect(IntegrationSchema, after), '');
}

function differing(
  fields: readonly DescField[],
  before: ReflectMessage,
  after: ReflectMessage,
  prefix: string,
): readonly string[] {
  return fields.flatMap((field) => {
    const path = prefix + field.name;
    const [had, has] = [before.isSet(field), after.isSet(field)];
    if (!had && !has) return [];
    // One of several is set by what takes its place.
    if (had && !has && field.oneof && after.oneofCase(field.oneof) !== undefined) return [];
    if (had && has && field.fieldKind === 'message' && !field.message.typeName.startsWith('google.')) {
      return differing(field.message.fields, before.get(field), after.get(field), `${path}.`);
    }
    return had === has && isSame(field, before, after) ? [] : [path];
  });
}

/** Whether both have the same in this field. */
function isSame(field: DescField, before: ReflectMessage, after: ReflectMessage): boolean {
  const only = (from: ReflectMessage): ReflectMessage => {
    const copy = reflect(from.desc, clone(from.desc, from.message));
    for (const other of copy.fields) if (other !== field) copy.clear(other);
    delete copy.message.$unknown;
    return copy;
  };
  return equals(before.desc, only(before).message, only(after).message);
}

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
