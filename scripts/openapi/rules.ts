// The rules of protovalidate as JSON Schema. What it cannot say becomes a sentence; a rule that nobody thought of is an error.
import { type DescEnum, type DescField, getOption, hasOption } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import {
  type FieldRules,
  FieldRulesSchema,
  field as fieldRules,
  Ignore,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { described, type JsonSchema } from './json-schema.ts';

export const rulesOf = (field: DescField): FieldRules | undefined =>
  hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;

interface Duration {
  readonly seconds: bigint;
  readonly nanos: number;
}
const seconds = ({ seconds, nanos }: Duration) => `${Number(seconds) + nanos / 1e9}s`;
const inBase64 = (bytes: unknown) => Math.ceil(Number(bytes) / 3) * 4;
const atLeast = (text: unknown) => ({ description: `At least ${text}.` });
const atMost = (text: unknown) => ({ description: `At most ${text}.` });

/** By type and name of the rule. */
const KEYWORDS: Readonly<Record<string, (value: never, values?: DescEnum) => JsonSchema>> = {
  'string.uuid': () => ({ format: 'uuid' }),
  'string.min_len': (value) => ({ minLength: Number(value) }),
  'string.max_len': (value) => ({ maxLength: Number(value) }),
  'string.max_bytes': (value) => ({
    maxLength: Number(value),
    description: `At most ${value} bytes in UTF-8.`,
  }),
  'string.pattern': (value) => ({ pattern: new RegExp(value, 'u').source }),
  'string.in': (value) => ({ enum: value }),
  'bytes.len': (value) => ({ minLength: inBase64(value), maxLength: inBase64(value) }),
  'bytes.max_len': (value) => ({ maxLength: inBase64(value) }),
  'int32.gte': (value) => ({ minimum: value }),
  'int32.lte': (value) => ({ maximum: value }),
  'uint32.gte': (value) => ({ minimum: value }),
  'uint32.lte': (value) => ({ maximum: value }),
  // In JSON they are text.
  'int64.gte': atLeast,
  'int64.lte': atMost,
  'uint64.gte': atLeast,
  'uint64.lte': atMost,
  'duration.gte': (value) => atLeast(seconds(value)),
  'duration.lte': (value) => atMost(seconds(value)),
  'enum.defined_only': () => ({}), // the values are listed
  'enum.not_in': (value: readonly number[], values) => ({
    not: { enum: value.map((number) => values!.value[number]!.name) },
  }),
  'repeated.min_items': (value) => ({ minItems: Number(value) }),
  'repeated.max_items': (value) => ({ maxItems: Number(value) }),
  'repeated.unique': () => ({ uniqueItems: true }),
  'map.min_pairs': (value) => ({ minProperties: Number(value) }),
  'map.max_pairs': (value) => ({ maxProperties: Number(value) }),
};
/** Rules that are about the field in its message, or about what is in it. */
const ELSEWHERE = ['required', 'ignore', 'repeated.items', 'map.keys', 'map.values'];

/** What rules say of a value: keywords, and sentences in `description`. @param values the enum that the value is of */
export function ruleSchema(rules: FieldRules | undefined, values?: DescEnum): JsonSchema {
  if (rules === undefined) return {};
  const all = reflect(FieldRulesSchema, rules);
  const sentences = rules.cel.map(({ message }) => sentence(message));
  const parts = setFields(all).flatMap(([name, value]) => {
    if (name === 'cel' || ELSEWHERE.includes(name)) return [];
    return setFields(value as ReflectMessage).map(([rule, what]) => keyword(`${name}.${rule}`, what, values));
  });
  const keywords: JsonSchema = Object.assign({}, ...parts);
  delete keywords.description;
  return described(
    keywords,
    ...sentences,
    ...parts.map(({ description }) => description as string | undefined),
  );
}

function keyword(name: string, value: unknown, values: DescEnum | undefined): JsonSchema {
  if (ELSEWHERE.includes(name)) return {};
  const make = KEYWORDS[name];
  if (make === undefined)
    throw new Error(`the rule ${name}: say in scripts/openapi/rules.ts what it is in JSON Schema`);
  return make(value as never, values);
}

/** The names of what is set in it, with plain values. */
function setFields(message: ReflectMessage): readonly (readonly [name: string, value: unknown])[] {
  return message.fields
    .filter((field) => message.isSet(field))
    .map((field) => {
      const value = message.get(field) as unknown;
      if (field.fieldKind === 'list') return [field.name, [...(value as Iterable<unknown>)]];
      const isPlain = field.message?.typeName.startsWith('google.protobuf.');
      return [field.name, isPlain ? (value as ReflectMessage).message : value];
    });
}

/** Of what a rule says when it is broken: `must be …`, or `topic_name: …`. Some rules make their message when they are. */
export function sentence(message: string): string | undefined {
  if (message === '') return undefined;
  const isName = /^\w*_\w*:/.test(message);
  return `${isName ? message[0] : message[0]!.toUpperCase()}${message.slice(1)}.`;
}

/** Whether a request without the field breaks its rules. */
export function isRequired(field: DescField): boolean {
  const rules = rulesOf(field);
  if (rules === undefined || rules.ignore === Ignore.ALWAYS) return false;
  if (rules.required) return true;
  if (rules.ignore === Ignore.IF_ZERO_VALUE || field.presence === FeatureSet_FieldPresence.EXPLICIT)
    return false;
  const { minItems, minProperties, format, minLength, minimum, pattern, not } = ruleSchema(rules, field.enum);
  if (Number(minItems ?? minProperties ?? minLength ?? minimum ?? 0) > 0 || format !== undefined) return true;
  if (typeof pattern === 'string') return !new RegExp(pattern, 'u').test('');
  return not !== undefined && (not as { enum: string[] }).enum.includes(field.enum!.values[0]!.name);
}
