import { type DescField, type DescMessage, type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import { http } from '../../../gen/google/api/annotations_pb.ts';
import type { HttpRule } from '../../../gen/google/api/http_pb.ts';

/** The fields from a request down to one that a path or a query names. */
export type FieldPath = readonly DescField[];

/** A part of a path between slashes: a text, or a field that takes what stands there. */
type Segment = { readonly text: string } | { readonly field: FieldPath };

/** One way to call a method by an HTTP method and a path, as `google.api.http` in the schema has it. */
export interface RestRoute {
  readonly method: DescMethod;
  /** `GET`, `POST`, … */
  readonly httpMethod: string;
  readonly segments: readonly Segment[];
  /** What stands behind the last colon, such as `enable`; empty: there is none. */
  readonly verb: string;
  /** What the body is: the whole request, one of its fields, or nothing. */
  readonly body: 'whole' | 'nothing' | DescField;
}

/** Every way to call the methods of a service. @throws Error when an annotation is none that is understood here */
export function routesOf({ methods }: { readonly methods: readonly DescMethod[] }): readonly RestRoute[] {
  return methods.flatMap((method) => {
    if (!hasOption(method, http)) return []; // by its name alone
    const rule = getOption(method, http);
    return [rule, ...rule.additionalBindings].map((binding) => routeOf(method, binding));
  });
}

function routeOf(method: DescMethod, { pattern, body, responseBody }: HttpRule): RestRoute {
  const wrong = (what: string) => new Error(`google.api.http of ${method.toString()}: ${what}`);
  if (typeof pattern.value !== 'string' || pattern.case === undefined)
    throw wrong('name a method and a path');
  if (responseBody !== '') throw wrong('response_body is not served');
  const [path, verb = ''] = pattern.value.split(':', 2) as [string, string?];
  const segments = path.split('/').slice(1);
  const read = segments.map((text): Segment => {
    const name = /^\{([\w.]+)\}$/.exec(text)?.[1];
    if (name === undefined && !/^[\w-]+$/.test(text))
      throw wrong(`${text} is no part of a path that is served`);
    return name === undefined ? { text } : { field: fieldsOf(method.input, name) };
  });
  const route = { method, httpMethod: pattern.case.toUpperCase(), segments: read, verb };
  if (body === '') return { ...route, body: 'nothing' };
  return { ...route, body: body === '*' ? 'whole' : fieldsOf(method.input, body)[0]! };
}

/** The path, with fields as `{}`. */
export const pathText = ({ segments, verb }: RestRoute): string =>
  segments.map((segment) => `/${'text' in segment ? segment.text : '{}'}`).join('') + (verb && `:${verb}`);

/** @throws Error when the schema has no such field */
function fieldsOf(input: DescMessage, path: string): FieldPath {
  let schema: DescMessage | undefined = input;
  return path.split('.').map((name) => {
    const field: DescField | undefined = schema?.fields.find((one) => one.name === name);
    if (field === undefined) throw new Error(`${input.typeName} has no field ${path}`);
    schema = field.message;
    return field;
  });
}

/** Text of a path, as it came, split into what routes are compared with; undefined: it is none of theirs. */
function partsOf(path: string): { readonly parts: readonly string[]; readonly verb: string } | undefined {
  const [, ...parts] = path.split('/');
  const last = parts.pop();
  if (last === undefined) return undefined;
  const colon = last.indexOf(':');
  const [name, verb] = colon < 0 ? [last, ''] : [last.slice(0, colon), last.slice(colon + 1)];
  // A colon that is part of a value is written as %3A.
  if (name === '' || (colon >= 0 && verb === '') || parts.some((part) => part === '' || part.includes(':')))
    return undefined;
  return { parts: [...parts, name], verb };
}

export type Found =
  /** `params`: the fields of the path with what stands there, decoded. */
  | { readonly route: RestRoute; readonly params: ReadonlyMap<FieldPath, string> }
  /** There is the path, but not with this method. */
  | { readonly allow: readonly string[] }
  | undefined;

/** The route for a request. @throws URIError when the path is no UTF-8 in percent-encoding */
export function findRoute(routes: readonly RestRoute[], httpMethod: string, path: string): Found {
  const asked = partsOf(path);
  if (asked === undefined) return undefined;
  const fitting = routes.filter(
    ({ segments, verb }) =>
      verb === asked.verb &&
      segments.length === asked.parts.length &&
      segments.every((segment, i) => 'field' in segment || segment.text === asked.parts[i]),
  );
  if (fitting.length === 0) return undefined;
  const route = fitting.find((one) => methodsOf(one).includes(httpMethod));
  if (route === undefined) return { allow: [...new Set(fitting.flatMap(methodsOf))] };
  const params = new Map(
    route.segments.flatMap((segment, i) =>
      'field' in segment ? [[segment.field, decodeURIComponent(asked.parts[i]!)] as const] : [],
    ),
  );
  return { route, params };
}

/** A stream has no length that HEAD could tell. */
const methodsOf = ({ httpMethod, method }: RestRoute): readonly string[] =>
  httpMethod === 'GET' && method.methodKind === 'unary' ? ['GET', 'HEAD'] : [httpMethod];
