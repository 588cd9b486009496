import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export interface Schema {
  readonly [keyword: string]: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
}

interface Content {
  readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Operation {
  readonly operationId: string;
  readonly description?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly description?: string;
  }[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** What is committed. */
export const OPENAPI: OpenApi = JSON.parse(
  readFileSync(new URL('../../gen/openapi.json', import.meta.url), 'utf8'),
);

/** Checks against a schema of the document, strictly: a member that no schema has is wrong, too. */
export function schemaOf(schema: Schema, document: OpenApi = OPENAPI): ValidateFunction {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addFormat('uint32', true).addFormat('uint64', true);
  return ajv.compile({ ...strict(schema), components: { schemas: strict(document.components.schemas) } });
}

/** Every object with properties has no others. */
function strict<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(strict) as T;
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, strict(value)]);
  const isClosed = 'properties' in schema && (schema as Schema).type === 'object';
  return Object.fromEntries(isClosed ? [...entries, ['additionalProperties', false]] : entries);
}

/** What the document says of an answer: to which path and method, with which status. */
export function answerSchema(
  document: OpenApi,
  path: string,
  method: string,
  status: number,
): ValidateFunction {
  const { responses } = document.paths[path]![method]!;
  const response = responses[status] as Content | undefined;
  const schema = response
    ? Object.values(response.content)[0]!.schema
    : { $ref: '#/components/schemas/Error' };
  return schemaOf(schema, document);
}
