import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { JsonReading } from '../contract/json-reading.ts';
import { PLACED_SECRETS, withoutItems } from '../contract/secret-places.ts';
import { isSettable } from '../contract/settable.ts';
import { type Fault, type Place, type YamlDocument, yamlText } from './documents.ts';
import { spanAt } from './field-nodes.ts';
import { jsonOf } from './node-json.ts';

/** Something that is wrong in a text, and where. */
export interface Problem extends Fault, Place {
  /** The field, in the schema's names; empty: of the whole document, or of the text. */
  readonly path: string;
}

/** A document that is meant to be an integration. */
export interface IntegrationText {
  /**
   * What it says; undefined: it cannot be read. `set_secrets` has the secrets that its comments name and that are not in it, so
   * that whoever makes one of it is asked for them.
   */
  readonly integration: Integration | undefined;
  /** Why it cannot be read, all of it as far as that can be told. */
  readonly problems: readonly Problem[];
  /** Where it begins. */
  readonly place: Place;
  /** A problem that something else found, such as a rule of the schema, at the place of its field. */
  at(path: string, description: string): Problem;
}

/** A comment that names a secret, as `integrationYaml` writes it. */
const SECRET = /^ ?([a-z0-9_]+(?:\.[a-z0-9_]+|\["(?:[^"\\]|\\.)*"\])+): set$/;

/** What is after so many problems is not read: it takes long, and somebody has to begin with the first. */
const MOST_PROBLEMS = 1000;

/**
 * The integrations of a text in YAML, one after the other as they are asked for. Empty documents are left out. A text with a
 * thousand problems ends with the document that has the last of them, which says so.
 */
export function* integrationsIn(text: string): Iterable<IntegrationText> {
  const { documents, placeOf } = yamlText(text);
  let left = MOST_PROBLEMS;
  for (const document of documents) {
    const read = readOne(document, placeOf);
    if (!read) continue;
    left -= read.problems.length;
    if (left > 0) yield read;
    else {
      const rest = read.at('', 'too much is wrong: what comes after this document is not read');
      return yield { ...read, problems: [...read.problems, rest] };
    }
  }
}

function readOne(document: YamlDocument, placeOf: (offset: number) => Place): IntegrationText | undefined {
  const { node, faults } = document;
  const { json, faults: ofNodes, comments } = jsonOf(node);
  const seen = new Set<number>();
  // Of what is at one place the first says it: others follow from it.
  const problems: Problem[] = [...faults, ...ofNodes].flatMap((fault) => {
    if (seen.has(fault.from)) return [];
    seen.add(fault.from);
    return [{ ...fault, ...placeOf(fault.from), path: '' }];
  });
  if (json === null && problems.length === 0) return undefined;
  const at = (path: string, description: string, isName = false): Problem => {
    const span = spanAt(node, path, isName);
    return { ...span, ...placeOf(span.from), path, description };
  };
  const place = placeOf(node?.range[0] ?? problems[0]?.from ?? 0);
  const found = problems.length > 0 ? problems : wrongFields(json, at);
  const integration = found.length > 0 ? undefined : made(json, [...document.comments, ...comments]);
  const unread = integration === undefined && found.length === 0;
  return {
    integration,
    problems: unread ? [at('', 'this cannot be read as an integration')] : found,
    place,
    at: (path, description) => at(path.replace(/^integration(\.|$)/, ''), description),
  };
}

type At = (path: string, description: string, isName?: boolean) => Problem;

function wrongFields(json: JsonValue, at: At): readonly Problem[] {
  const { violations } = new JsonReading(IntegrationSchema, json);
  const found = violations.map(({ field, description, reason }) => {
    const hint = description === 'must be text' ? ': put it into quotes' : '';
    return at(field, description + hint, reason === 'UNKNOWN_FIELD' || reason === 'SET_TWICE');
  });
  return [...found, ...ofServer(json).map((name) => at(name, 'the server sets this: leave it out', true))];
}

/** What is not for people to set; an id says which integration is meant. */
function ofServer(json: JsonValue): readonly string[] {
  if (typeof json !== 'object' || json === null) return [];
  return IntegrationSchema.fields
    .filter((field) => field.name !== 'id' && !isSettable(field))
    .filter(({ name, jsonName }) => Object.hasOwn(json, name) || Object.hasOwn(json, jsonName))
    .map(({ name }) => name);
}

function made(json: JsonValue, comments: readonly string[]): Integration | undefined {
  try {
    const integration = fromJson(IntegrationSchema, json);
    const named = comments.flatMap((line) => SECRET.exec(line)?.[1] ?? []);
    integration.setSecrets = named.filter((path) => PLACED_SECRETS.includes(withoutItems(path)));
    return integration;
  } catch {
    return undefined; // what it says has values in it, which may be secrets
  }
}
