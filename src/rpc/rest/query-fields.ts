import { type DescField, type DescMessage, type JsonValue, ScalarType } from '@bufbuild/protobuf';
import { hasOwnJson } from '../../contract/json-leaf.ts';
import { excerpt } from '../../contract/json-reading.ts';
import type { FieldViolation } from '../../contract/validate.ts';
import type { FieldPath } from './rest-route.ts';

/** Made without a prototype: names in it are a caller's. */
export interface JsonTree {
  [name: string]: JsonValue | JsonTree;
}

export const emptyTree = (): JsonTree => Object.create(null);

/** Names and values of a query. @throws URIError when it is no UTF-8 in percent-encoding */
export function queryPairs(query: string): readonly (readonly [name: string, value: string])[] {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [decoded(pair), ''] : [decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))];
    });
}

const decoded = (text: string) => decodeURIComponent(text.replaceAll('+', ' '));

/** Puts the value of a path where its field is. What it answers is wrong. */
export function putParam(tree: JsonTree, path: FieldPath, value: string): FieldViolation | undefined {
  const last = path[path.length - 1]!;
  let at = tree;
  for (const { name } of path.slice(0, -1)) {
    at[name] ??= emptyTree();
    at = at[name] as JsonTree;
  }
  at[last.name] = jsonOf(last, value);
  const name = path.map((field) => field.name).join('.');
  return problemOfLong(last, value, (reason, description) => ({ field: name, description, reason }));
}

/**
 * Puts a pair of a query where its field is: `filter.text=a`, by the schema's names or those of JSON; a list takes each pair of
 * its name, a map `filter.labels[team]=a`. A name that leads nowhere is put there as it is, for whoever reads the JSON to tell. What it answers is wrong.
 */
export function putQuery(
  tree: JsonTree,
  input: DescMessage,
  [name, value]: readonly [string, string],
): FieldViolation | undefined {
  const wrong = (reason: string, description: string) => ({ field: excerpt(name), description, reason });
  const [, path = name, key] = /^([^[]*)\[(.*)\]$/.exec(name) ?? [];
  const names = path.split('.');
  let [at, schema]: [JsonTree, DescMessage] = [tree, input];
  for (const [i, one] of names.entries()) {
    const isLast = i === names.length - 1;
    const field = schema.fields.find((candidate) => [candidate.name, candidate.jsonName].includes(one));
    if (field === undefined) {
      at[one] = value;
      return undefined;
    }
    if (isLast) {
      return key === undefined ? putValue(at, field, value, wrong) : putEntry(at, field, [key, value], wrong);
    }
    if (field.fieldKind !== 'message' || hasOwnJson(field.message)) {
      return wrong('UNKNOWN_FIELD', 'there is no such field');
    }
    at[field.name] ??= emptyTree();
    if (typeof at[field.name] !== 'object') return wrong('SET_TWICE', `cannot be set beside ${field.name}`);
    at = at[field.name] as JsonTree;
    schema = field.message;
  }
  return undefined;
}

type Wrong = (reason: string, description: string) => FieldViolation;

function putEntry(
  at: JsonTree,
  field: DescField,
  [key, value]: readonly [string, string],
  wrong: Wrong,
): FieldViolation | undefined {
  if (field.fieldKind !== 'map') return wrong('UNKNOWN_FIELD', `${field.name} is no map`);
  at[field.name] ??= emptyTree();
  const map = at[field.name];
  if (typeof map !== 'object') return wrong('SET_TWICE', `cannot be set beside ${field.name}`);
  return putText(map as JsonTree, key, value, wrong);
}

function putValue(at: JsonTree, field: DescField, value: string, wrong: Wrong): FieldViolation | undefined {
  const problem = problemOfLong(field, value, wrong);
  if (problem) return problem;
  const before = at[field.name];
  if (field.fieldKind === 'list') {
    at[field.name] = [...((before as JsonValue[] | undefined) ?? []), jsonOf(field, value)];
    return undefined;
  }
  return putText(at, field.name, jsonOf(field, value), wrong);
}

function putText(at: JsonTree, name: string, value: JsonValue, wrong: Wrong): FieldViolation | undefined {
  if (at[name] !== undefined) return wrong('SET_TWICE', 'is there twice: leave out one of both');
  at[name] = value;
  return undefined;
}

/** The library takes for a number of 64 bits what BigInt takes: nothing and spaces (0), a number among spaces, `0x10`. */
function problemOfLong({ scalar }: DescField, value: string, wrong: Wrong): FieldViolation | undefined {
  if (scalar === undefined || !LONGS.has(scalar) || /^-?\d+$/.test(value)) return undefined;
  return wrong('WRONG_TYPE', 'must be a whole number of 64 bits');
}

const LONGS: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.SINT64,
  ScalarType.SFIXED64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
]);

/** Protobuf's JSON takes numbers as text, but neither booleans nor field masks in the schema's names. */
function jsonOf({ scalar, message }: DescField, value: string): JsonValue {
  if (scalar === ScalarType.BOOL && (value === 'true' || value === 'false')) return value === 'true';
  if (message?.typeName === 'google.protobuf.FieldMask') {
    return value.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  }
  return value;
}
