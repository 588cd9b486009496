/** A JSON Schema 2020-12, as OpenAPI 3.1 has it. */
export type JsonSchema = { [keyword: string]: unknown };

/** With a sentence added to its description. */
export function described(schema: JsonSchema, ...texts: readonly (string | undefined)[]): JsonSchema {
  const description = [schema.description, ...texts].filter((text) => text !== undefined && text !== '');
  return description.length === 0 ? schema : { ...schema, description: description.join(' ') };
}
