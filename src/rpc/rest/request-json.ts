import { create, type DescField, type DescMessage, type JsonValue, toJson } from '@bufbuild/protobuf';
import { FieldMaskSchema } from '@bufbuild/protobuf/wkt';
import { excessViolation, jsonViolations } from '../../contract/json-violations.ts';
import type { FieldViolation } from '../../contract/validate.ts';
import { invalidArgument } from '../error.ts';
import { isObject, presentPaths } from './present-paths.ts';
import { emptyTree, type JsonTree, putParam, putQuery, queryPairs } from './query-fields.ts';
import type { FieldPath, RestRoute } from './rest-route.ts';

/** What a request says beside its method. */
interface Asked {
  /** The fields of the path. */
  readonly params: ReadonlyMap<FieldPath, string>;
  /** What stands behind the question mark, encoded. */
  readonly query: string;
  /** Empty: there is none. */
  readonly body: string;
}

/**
 * The JSON of the request message: the body as it came, with what path and query say put in. Only what cannot be put together
 * is looked at here; whether it is a request of its kind is for whoever reads it.
 * @throws RpcError INVALID_ARGUMENT with the paths of what is wrong
 */
export function requestJson(route: RestRoute, asked: Asked): string {
  const { body: where, method } = route;
  const tree = treeOf(route, asked);
  if (where === 'nothing') {
    if (asked.body !== '') throw wrong('', 'NO_BODY', 'takes no body: everything goes into path and query');
    return JSON.stringify(tree);
  }
  const schema = where === 'whole' ? method.input : where.message!;
  const text = asked.body === '' ? '{}' : asked.body;
  const json = parsed(schema, text);
  // Read as none at all, in which there is no place for what the path says.
  if (json === null) throw wrong(where === 'whole' ? '' : where.name, 'WRONG_TYPE', 'must be an object');
  const inside = paramsInside(where, asked.params);
  const whole = isObject(json) ? withParams(text, json, inside) : text;
  if (where === 'whole') return whole;
  const around = () => {
    const beside = Object.keys(tree).map((name) => `,${JSON.stringify(name)}:${JSON.stringify(tree[name])}`);
    return `{${JSON.stringify(where.name)}:${whole}${beside.join('')}}`;
  };
  const mask = maskOf(route);
  if (mask && !(mask.name in tree) && isObject(json)) {
    const isInPath = (path: string) => inside.some(([{ name }]) => name === path);
    const paths = presentPaths(schema, json).filter((path) => !isInPath(path));
    if (paths.length > 0) tree[mask.name] = toJson(FieldMaskSchema, create(FieldMaskSchema, { paths }));
  }
  if (mask && !tree[mask.name])
    throw invalidArgument([...jsonViolations(method.input, around()), noChange(mask)]);
  return around();
}

/** What stands beside the body. */
function treeOf({ body: where, method }: RestRoute, { params, query }: Asked): JsonTree {
  const tree = emptyTree();
  const inPath = [...params].flatMap(([path, value]): readonly FieldViolation[] => {
    const violation = where === 'nothing' ? putParam(tree, path, value) : undefined;
    return violation ? [violation] : [];
  });
  const inQuery = pairsOf(query).flatMap((pair): readonly FieldViolation[] => {
    const [name] = pair;
    const isAbove = (path: string) => name === path || name.startsWith(`${path}.`);
    const ofPath = [...params.keys()].some((path) => spellings(path).includes(name));
    if (ofPath) return [{ field: name, description: 'is in the path: leave it out', reason: 'SET_TWICE' }];
    if (where === 'whole' || (where !== 'nothing' && [where.name, where.jsonName].some(isAbove))) {
      return [{ field: name, description: 'goes into the body, not into the query', reason: 'NO_QUERY' }];
    }
    const violation = putQuery(tree, method.input, pair);
    return violation ? [violation] : [];
  });
  const violations = [...inPath, ...inQuery];
  if (violations.length > 0) throw invalidArgument(violations);
  return tree;
}

function pairsOf(query: string) {
  try {
    return queryPairs(query);
  } catch {
    throw wrong('', 'MALFORMED_QUERY', 'the query is no UTF-8 in percent-encoding');
  }
}

/** In the names of the schema and of JSON. */
const spellings = (path: FieldPath) => [
  path.map(({ name }) => name).join('.'),
  path.map(({ jsonName }) => jsonName).join('.'),
];

/** @throws RpcError when it is no JSON, nested too deeply, or of too many parts */
function parsed(schema: DescMessage, text: string): JsonValue {
  const excess = excessViolation(text);
  if (excess) throw invalidArgument([excess]);
  try {
    return JSON.parse(text);
  } catch {
    throw invalidArgument(jsonViolations(schema, text));
  }
}

/** The fields of the path that are in the body: a field of the body itself with its value. */
function paramsInside(
  where: 'whole' | DescField,
  params: ReadonlyMap<FieldPath, string>,
): readonly (readonly [field: DescField, path: string, value: string])[] {
  return [...params].map(([path, value]) => {
    const inner = where === 'whole' ? path : path.slice(1);
    const isInBody = where === 'whole' || path[0] === where;
    if (!isInBody || inner.length !== 1)
      throw new Error(`${path.join('.')}: a path cannot reach so deep into a body`);
    return [inner[0]!, spellings(path)[0]!, value] as const;
  });
}

/** The text of an object with the fields put in that it does not have. Whoever has them in it says the same as the path. */
function withParams(
  text: string,
  json: { readonly [name: string]: JsonValue },
  params: ReturnType<typeof paramsInside>,
): string {
  const missing = params.filter(([field, path, value]) => {
    const name = [field.name, field.jsonName].find((one) => Object.hasOwn(json, one));
    if (name === undefined) return true;
    if (json[name] !== value) throw wrong(path, 'PATH_MISMATCH', 'is not what the path says: leave it out');
    return false;
  });
  const members = missing.map(([field, , value]) => `${JSON.stringify(field.name)}:${JSON.stringify(value)}`);
  const at = text.indexOf('{') + 1;
  const separator = members.length > 0 && Object.keys(json).length > 0 ? ',' : '';
  return text.slice(0, at) + members.join() + separator + text.slice(at);
}

/** Of an update, what it changes: what the body has, when the caller does not say. Nothing would stand for everything. */
const maskOf = ({ httpMethod, method }: RestRoute): DescField | undefined =>
  httpMethod === 'PATCH'
    ? method.input.fields.find(({ message }) => message?.typeName === FieldMaskSchema.typeName)
    : undefined;

const noChange = ({ name }: DescField): FieldViolation => ({
  field: name,
  description: 'names nothing: give the fields to change in the body',
  reason: 'NOTHING_TO_CHANGE',
});

const wrong = (field: string, reason: string, description: string) =>
  invalidArgument([{ field, description, reason }]);
