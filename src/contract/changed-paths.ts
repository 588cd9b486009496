import { clone, type DescField, equals } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { isSettable } from './settable.ts';

/**
 * The paths of what differs, as an update mask has them: a list or a map counts as one, and so does a message that only one has.
 * What this version does not know is in none of them, and stays as it is.
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
