import { type DescMessage, fromJson, fromJsonString, type JsonValue } from '@bufbuild/protobuf';
import { excessOf } from './json-excess.ts';
import { excerpt, JsonReading } from './json-reading.ts';
import { type FieldViolation, violationsOf } from './validate.ts';

/** As deep as protobuf reads; parts: what is read at once holds up everybody else. */
const MOST = { depth: 100, parts: 100_000 };

/** How protobuf calls a member that an object has twice, which JSON.parse takes; names of the caller's stand in there. */
const TWICE = /^cannot decode message [\w.]+ from JSON: duplicate object key "(.*)"$/s;

/**
 * Why a text is no JSON of the message: names and values that are not there, with the nearest that are, and values of another
 * type, each with its path, and what the schema's rules find wrong with the rest. Nothing: it is read.
 */
export function jsonViolations(schema: DescMessage, text: string): readonly FieldViolation[] {
  const excess = excessViolation(text);
  if (excess) return [excess];
  try {
    fromJsonString(schema, text);
    return [];
  } catch (error) {
    return whyUnread(schema, text, error instanceof Error ? error.message : '');
  }
}

const EXCESSES = {
  depth: {
    field: '',
    description: `the request is nested too deeply: objects and lists may lie ${MOST.depth} deep in each other`,
    reason: 'TOO_DEEP',
  },
  parts: {
    field: '',
    description: `the request has too many parts: ${MOST.parts} commas and colons outside of strings at most`,
    reason: 'TOO_MANY',
  },
} as const satisfies Record<string, FieldViolation>;

/** To be asked before anything is made of a text: to read a deep one, or one of many parts, takes far more than the text. */
export function excessViolation(text: string): FieldViolation | undefined {
  const excess = excessOf(text, MOST);
  return excess && EXCESSES[excess];
}

function whyUnread(schema: DescMessage, text: string, message: string): readonly FieldViolation[] {
  const json = parsed(text);
  if ('problem' in json) return [{ field: '', description: json.problem, reason: 'MALFORMED_JSON' }];
  const reading = new JsonReading(schema, json.value);
  const twice = TWICE.exec(message)?.[1];
  const violations = twice === undefined ? reading.violations : [setTwice(twice), ...reading.violations];
  // What protobuf says has values in it.
  if (violations.length === 0)
    return [{ field: '', description: 'the request cannot be read', reason: 'MALFORMED_JSON' }];
  return reading.isFull ? violations : [...violations, ...brokenRules(schema, reading)];
}

function setTwice(name: string): FieldViolation {
  const description = `an object has the name ${JSON.stringify(excerpt(name))} twice: leave out one of both`;
  return { field: '', description, reason: 'SET_TWICE' };
}

/** Of what was read. A rule about what was not, or about something with that in it, would tell what is not so. */
function brokenRules(schema: DescMessage, reading: JsonReading): readonly FieldViolation[] {
  if (reading.readable === undefined) return [];
  try {
    const message = fromJson(schema, reading.readable);
    return violationsOf(schema, message).filter(({ field }) => reading.isJudgeable(field));
  } catch {
    return []; // what it says has values in it; what is known to be wrong is told
  }
}

/** Of what V8 says only the part that has nothing of the text in it. */
function parsed(text: string): { readonly value: JsonValue } | { readonly problem: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    const said = /^[^"]* at position \d+.*$|^Unexpected end of JSON input$|^Unexpected token '.'/u.exec(
      message,
    )?.[0];
    return { problem: `the request is no JSON: ${said ?? 'it is malformed'}` };
  }
}
