import type { DescMessage, JsonValue } from '@bufbuild/protobuf';
import { hasOwnJson } from '../../contract/json-leaf.ts';
import { isSettable } from '../../contract/settable.ts';

/**
 * The paths of the fields that a JSON object has, in the schema's names, for an update that names none (AIP-134): into objects,
 * as of a JSON Merge Patch; a list, a map, an empty object and null count as a whole. What the server sets, and the etag, are
 * no part of it, so that an answer can be sent back with something changed in it.
 */
export function presentPaths(
  schema: DescMessage,
  json: JsonValue | undefined,
  prefix = '',
): readonly string[] {
  if (!isObject(json)) return [];
  return Object.keys(json).flatMap((name) => {
    const field = schema.fields.find((one) => one.name === name || one.jsonName === name);
    if (field === undefined || !isSettable(field)) return [];
    const path = prefix + field.name;
    const value = json[name];
    const isLeaf = field.fieldKind !== 'message' || hasOwnJson(field.message);
    if (isLeaf || !isObject(value) || Object.keys(value).length === 0) return [path];
    return presentPaths(field.message, value, `${path}.`);
  });
}

export const isObject = (json: JsonValue | undefined): json is { [name: string]: JsonValue } =>
  typeof json === 'object' && json !== null && !Array.isArray(json);
