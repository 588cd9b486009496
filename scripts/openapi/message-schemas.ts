// The JSON of messages (protobuf's JSON mapping) as JSON Schema.
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  ScalarType,
} from '@bufbuild/protobuf';
import {
  Ignore,
  message as messageRules,
  oneof as oneofRules,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { FieldBehavior, field_behavior } from '../../gen/google/api/field_behavior_pb.ts';
import { commentOf } from '../schema-image.ts';
import { described, type JsonSchema } from './json-schema.ts';
import { isRequired, ruleSchema, rulesOf, sentence } from './rules.ts';

const integer = (format: string, minimum: number, maximum: number): JsonSchema => ({
  type: 'integer',
  format,
  minimum,
  maximum,
});
const INT32 = integer('int32', -(2 ** 31), 2 ** 31 - 1);
const UINT32 = integer('uint32', 0, 2 ** 32 - 1);
/** Beyond what a number of JavaScript holds exactly. */
const INT64: JsonSchema = { type: 'string', format: 'int64', pattern: '^-?[0-9]+$' };
const UINT64: JsonSchema = { type: 'string', format: 'uint64', pattern: '^[0-9]+$' };

const SCALARS: Readonly<Partial<Record<ScalarType, JsonSchema>>> = {
  [ScalarType.BOOL]: { type: 'boolean' },
  [ScalarType.STRING]: { type: 'string' },
  [ScalarType.BYTES]: { type: 'string', contentEncoding: 'base64' },
  [ScalarType.DOUBLE]: { type: 'number', format: 'double' },
  [ScalarType.INT32]: INT32,
  [ScalarType.UINT32]: UINT32,
  [ScalarType.INT64]: INT64,
  [ScalarType.UINT64]: UINT64,
};

const WELL_KNOWN: Readonly<Record<string, JsonSchema>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Duration': { type: 'string', pattern: '^-?[0-9]+(\\.[0-9]{1,9})?s$', examples: ['1.5s'] },
  'google.protobuf.FieldMask': { type: 'string', examples: ['name,http.readTimeout'] },
};

/** Whether a message has a schema of its own that is referred to. */
export const isNested = ({ message }: DescField): boolean =>
  message !== undefined && !(message.typeName in WELL_KNOWN);

/**
 * The schemas of messages and enums, by name. A message is there as it is in answers and in changes, where any field may be
 * missing; where some must be there when it is made, also as `…Input`.
 */
export class MessageSchemas {
  readonly #schemas = new Map<string, JsonSchema>();
  readonly #descs = new Map<string, DescMessage | DescEnum>();

  get all(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** A reference to the schema of a message. @param asInput whether it has to be whole */
  message(desc: DescMessage, asInput: boolean): JsonSchema {
    const isInput = asInput && hasRequired(desc);
    return this.#ref(desc, isInput ? `${desc.name}Input` : desc.name, () =>
      this.object(desc, isInput, () => false),
    );
  }

  /** The schema of a message itself. @param isLeftOut whether a field is given elsewhere */
  object(desc: DescMessage, asInput: boolean, isLeftOut: (field: DescField) => boolean): JsonSchema {
    const fields = desc.fields.filter((field) => !isLeftOut(field));
    const required = asInput ? fields.filter(isRequired).map(({ jsonName }) => jsonName) : [];
    const cel = hasOption(desc, messageRules) ? getOption(desc, messageRules).cel : [];
    const schema: JsonSchema = {
      type: 'object',
      properties: Object.fromEntries(fields.map((field) => [field.jsonName, this.field(field, asInput)])),
      ...(required.length > 0 && { required }),
      ...(asInput && oneOf(desc, fields)),
    };
    return described(
      { description: commentOf(desc), ...schema },
      ...cel.map(({ message }) => sentence(message)),
    );
  }

  /** The schema of a field: its value, its rules, its comment, and who sets it. */
  field(field: DescField, asInput: boolean): JsonSchema {
    const rules = rulesOf(field);
    const isInput = asInput && rules?.ignore !== Ignore.ALWAYS;
    const isSecret = field.proto.options?.debugRedact ?? false;
    const isOutput = getOption(field, field_behavior).includes(FieldBehavior.OUTPUT_ONLY);
    const { description, ...constraints } = ruleSchema(rules, field.enum);
    return described(
      {
        ...this.#value(field, isInput),
        ...constraints,
        ...(isSecret && { writeOnly: true }),
        ...(isOutput && { readOnly: true }),
      },
      commentOf(field.parent, field.parent.fields.indexOf(field)),
      description as string | undefined,
    );
  }

  #value(field: DescField, asInput: boolean): JsonSchema {
    const { type } = rulesOf(field) ?? {};
    const one = this.#single(field, asInput);
    if (field.fieldKind === 'list') {
      const items = ruleSchema(type?.case === 'repeated' ? type.value.items : undefined, field.enum);
      return { type: 'array', items: { ...one, ...items } };
    }
    if (field.fieldKind === 'map') {
      const { keys, values } = type?.case === 'map' ? type.value : {};
      const names = ruleSchema(keys);
      return {
        type: 'object',
        additionalProperties: { ...one, ...ruleSchema(values, field.enum) },
        ...(Object.keys(names).length > 0 && { propertyNames: names }),
      };
    }
    return one;
  }

  #single(field: DescField, asInput: boolean): JsonSchema {
    const { message, enum: values } = field;
    if (values) return this.#ref(values, values.name, () => enumSchema(values));
    if (message) return WELL_KNOWN[message.typeName] ?? this.message(message, asInput);
    const scalar = SCALARS[field.scalar!];
    if (scalar === undefined)
      throw new Error(`${field}: say in scripts/openapi what its type is in JSON Schema`);
    return scalar;
  }

  #ref(desc: DescMessage | DescEnum, name: string, make: () => JsonSchema): JsonSchema {
    if (!this.#schemas.has(name)) {
      this.#schemas.set(name, {}); // whoever is inside itself refers to it
      this.#descs.set(name, desc);
      this.#schemas.set(name, make());
    }
    if (this.#descs.get(name) !== desc)
      throw new Error(`${desc.typeName}: something else is called ${name}, too`);
    return { $ref: `#/components/schemas/${name}` };
  }
}

/** One of the fields of a oneof that must be set. */
function oneOf(desc: DescMessage, fields: readonly DescField[]): JsonSchema {
  const required = desc.oneofs.filter(
    (oneof) => hasOption(oneof, oneofRules) && getOption(oneof, oneofRules).required,
  );
  const choices = required
    .map((oneof) => oneof.fields.filter((field) => fields.includes(field)))
    .filter((choice) => choice.length > 0)
    .map((choice) => ({ oneOf: choice.map(({ jsonName }) => ({ required: [jsonName] })) }));
  return choices.length > 1 ? { allOf: choices } : (choices[0] ?? {});
}

function enumSchema(desc: DescEnum): JsonSchema {
  const values = desc.values.map(({ name }, i) => `- \`${name}\`: ${commentOf(desc, i)}`);
  const description = `${commentOf(desc)}\n\n${values.join('\n')}`;
  return { type: 'string', description, enum: desc.values.map(({ name }) => name) };
}

/** Whether something must be there in it, however deep. */
function hasRequired(desc: DescMessage, above: readonly DescMessage[] = []): boolean {
  if (above.includes(desc)) return false;
  const isOneofRequired = (oneof: DescMessage['oneofs'][number]) =>
    hasOption(oneof, oneofRules) && getOption(oneof, oneofRules).required;
  return (
    desc.oneofs.some(isOneofRequired) ||
    desc.fields.some(
      (field) =>
        isRequired(field) ||
        (isNested(field) &&
          rulesOf(field)?.ignore !== Ignore.ALWAYS &&
          hasRequired(field.message!, [...above, desc])),
    )
  );
}
