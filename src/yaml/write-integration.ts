import {
  clone,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  toJson,
} from '@bufbuild/protobuf';
import { Document, isMap, isScalar, isSeq, type Node, visit, type YAMLMap } from 'yaml';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { hasOwnJson } from '../contract/json-leaf.ts';
import { secretPlaces, setSecretPaths } from '../contract/secrets.ts';
import { isSettable } from '../contract/settable.ts';
import { stepsOf } from './field-nodes.ts';

/** The whole of a secret that only says where executors find it: that is none to be kept from anybody. */
const REFERENCE = /^\$\{(env|file):[^{}]*\}$/;

/** Blanks at the begin of a text or at an end of its lines, more than one line end at its end, and control characters: as a block they are read as others. */
const ODD_LINES = /^\s|[^\S\n](?:\n|$)|\n\n$|[^\P{C}\n]/u;

/**
 * An integration as YAML of its JSON, in the schema's names: its id, whether it is enabled, and of the rest what is set. What
 * the server sets is left out. A secret is a comment that says that it is there, `# http.credentials.basic.password: set`,
 * unless it is a reference such as `${env:NAME}`. One integration is always the same text.
 */
export function integrationYaml(integration: Integration): string {
  const shown = clone(IntegrationSchema, integration);
  const secrets = new Set(integration.setSecrets);
  for (const path of setSecretPaths(IntegrationSchema, integration)) secrets.add(path);
  for (const { path, message, field } of secretPlaces(IntegrationSchema, shown)) {
    if (message.isSet(field) && REFERENCE.test(String(message.get(field)))) secrets.delete(path);
    else message.clear(field);
  }
  const json = ordered(IntegrationSchema, toJson(IntegrationSchema, shown, { useProtoFieldName: true }));
  const { id, name, description, ...rest } = json as JsonObject;
  for (const field of IntegrationSchema.fields) if (!isSettable(field)) delete rest[field.name];
  const first = Object.entries({ id, name, description }).filter(([, value]) => value !== undefined);
  const whole = { ...Object.fromEntries(first), enabled: integration.enabled, ...rest };
  // Whatever reads YAML 1.1, with its `no` and `on`, reads the same.
  const document = new Document<Node>(whole, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_, scalar) => {
      const isOdd =
        typeof scalar.value === 'string' && scalar.value.includes('\n') && ODD_LINES.test(scalar.value);
      if (isOdd) scalar.type = 'QUOTE_DOUBLE';
    },
  });
  for (const path of [...secrets].toSorted()) addComment(document.contents as YAMLMap, path);
  return document.toString({ lineWidth: 0 });
}

/** Several, each a document. */
export const integrationsYaml = (integrations: readonly Integration[]): string =>
  integrations.map(integrationYaml).join('---\n');

/** The JSON of a message with the entries of its maps by their names: a map has no order of its own. */
function ordered(schema: DescMessage, json: JsonValue): JsonValue {
  if (!isObject(json) || hasOwnJson(schema)) return json;
  const entries = Object.entries(json).map(([name, value]): [string, JsonValue] => {
    const field = schema.fields.find((one) => one.name === name);
    return [name, field ? orderedField(field, value) : value];
  });
  return Object.fromEntries(entries);
}

function orderedField(field: DescField, json: JsonValue): JsonValue {
  const { message } = field;
  if (field.fieldKind === 'map' && isObject(json)) {
    const entries = Object.entries(json).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(
      message ? entries.map(([key, value]) => [key, ordered(message, value)]) : entries,
    );
  }
  if (!message) return json;
  return Array.isArray(json) ? json.map((item) => ordered(message, item)) : ordered(message, json);
}

const isObject = (json: JsonValue): json is JsonObject =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

/** Puts the comment into what the secret is in, or, where that is not there, at the end. */
function addComment(root: YAMLMap, path: string): void {
  let at: YAMLMap = root;
  for (const step of stepsOf(path).slice(0, -1)) {
    const next = childOf(at, step);
    if (!isMap(next) && !isSeq(next)) break;
    at = next as YAMLMap;
  }
  const around = isMap(at) && at.items.length > 0 ? at : root;
  around.comment = `${around.comment ? `${around.comment}\n` : ''} ${path}: set`;
}

function childOf(node: Node, step: string | number): unknown {
  if (isMap(node)) return node.get(step, true);
  if (!isSeq<Node>(node)) return undefined;
  return node.items.find(
    (item) => isMap(item) && item.items.some(({ value }) => isScalar(value) && value.value === step),
  );
}
