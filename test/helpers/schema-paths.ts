import type { DescField, DescMessage } from '@bufbuild/protobuf';

/** Every path of the schema that leads to a field that `wanted` picks, as the fields along it. */
export function pathsTo(
  schema: DescMessage,
  wanted: (field: DescField) => boolean,
): readonly (readonly DescField[])[] {
  return schema.fields.flatMap((field) => {
    const nested = field.message === undefined ? [] : pathsTo(field.message, wanted);
    return [...(wanted(field) ? [[field]] : []), ...nested.map((path) => [field, ...path])];
  });
}
