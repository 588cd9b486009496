// A path of REST as an operation of OpenAPI.
import type { DescField, DescMessage, DescMethod } from '@bufbuild/protobuf';
import { type RestRoute, routesOf } from '../../src/rpc/rest/rest-route.ts';
import { commentOfCall } from '../schema-image.ts';
import type { JsonSchema } from './json-schema.ts';
import { isNested, type MessageSchemas } from './message-schemas.ts';
import { isRequired } from './rules.ts';

/** The operations of a method: the path and the HTTP method of each. */
export function operationsOf(method: DescMethod, schemas: MessageSchemas) {
  return routesOf({ methods: [method] }).map((route, i) => ({
    path: pathOf(route),
    httpMethod: route.httpMethod.toLowerCase(),
    operation: operationOf(route, i === 0 ? method.localName : `${method.localName}${i + 1}`, schemas),
  }));
}

/** In the path a value has the name of its field, without those of the messages around it. */
const pathOf = ({ segments, verb }: RestRoute) =>
  `/${segments.map((segment) => ('text' in segment ? segment.text : `{${segment.field.at(-1)!.jsonName}}`)).join('/')}${verb && `:${verb}`}`;

const fieldsInPath = ({ segments }: RestRoute) =>
  segments.flatMap((segment) => ('field' in segment ? [segment.field] : []));

function operationOf(route: RestRoute, operationId: string, schemas: MessageSchemas): JsonSchema {
  const { method } = route;
  const comment = commentOfCall(method);
  const parameters = [
    ...fieldsInPath(route).map((path) => ({
      name: path.at(-1)!.jsonName,
      in: 'path',
      required: true,
      ...described(schemas.field(path.at(-1)!, true), ['readOnly']),
    })),
    ...queryFields(route, method.input, []).map((path) => ({
      name: path.map(({ jsonName }) => jsonName).join('.'),
      in: 'query',
      ...(path.at(-1)!.fieldKind === 'map' && { style: 'deepObject', explode: true }),
      ...(path.every(isRequired) && { required: true }),
      ...described(schemas.field(path.at(-1)!, true)),
    })),
  ];
  const requestBody = bodyOf(route, schemas);
  return {
    operationId,
    tags: [method.parent.name],
    summary: comment.split(/\.(?=\s|$)/, 1)[0],
    description: comment,
    ...(parameters.length > 0 && { parameters }),
    ...(requestBody && { requestBody }),
    responses: { '200': answerOf(method, schemas), default: { $ref: '#/components/responses/Error' } },
  };
}

/** The comment of a field belongs to its parameter. */
function described({ description, ...schema }: JsonSchema, without: readonly string[] = []): JsonSchema {
  const kept = Object.fromEntries(Object.entries(schema).filter(([keyword]) => !without.includes(keyword)));
  return { ...(description !== undefined && { description }), schema: kept };
}

/** The paths to what can stand in a query: neither lists nor maps of messages. Of a map, `labels[key]=value`. */
function queryFields(
  route: RestRoute,
  { fields }: DescMessage,
  above: readonly DescField[],
): readonly (readonly DescField[])[] {
  if (route.body === 'whole') return [];
  const inPath = fieldsInPath(route).map((path) => path.map(({ name }) => name).join('.'));
  return fields.flatMap((field) => {
    const path = [...above, field];
    if (field === route.body || inPath.includes(path.map(({ name }) => name).join('.'))) return [];
    if (!isNested(field)) return [path];
    return field.fieldKind === 'message' && route.body === 'nothing'
      ? queryFields(route, field.message, path)
      : [];
  });
}

function bodyOf(route: RestRoute, schemas: MessageSchemas): JsonSchema | undefined {
  const { body, method } = route;
  if (body === 'nothing') return undefined;
  if (body !== 'whole') {
    const { $ref, description } = schemas.field(body, true);
    return { description, required: true, content: { 'application/json': { schema: { $ref } } } };
  }
  const inPath = fieldsInPath(route).map(([first]) => first);
  const schema = schemas.object(method.input, true, (field) => inPath.includes(field));
  if (Object.keys(schema.properties as object).length === 0) return undefined; // it can be left out
  const required = 'required' in schema || 'oneOf' in schema;
  return { ...(required && { required }), content: { 'application/json': { schema } } };
}

function answerOf({ methodKind, output }: DescMethod, schemas: MessageSchemas): JsonSchema {
  const schema = schemas.message(output, false);
  if (methodKind === 'unary') return { description: 'Done.', content: { 'application/json': { schema } } };
  return {
    description:
      'A line of JSON for each message of the stream. A stream that fails ends with a line that has nothing but `error`, with what any other call would answer.',
    content: { 'application/x-ndjson': { schema } },
  };
}
