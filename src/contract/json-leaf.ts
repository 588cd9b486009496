import {
  type DescEnum,
  type DescField,
  type DescMessage,
  enumFromJson,
  fromJson,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf';
import {
  BoolValueSchema,
  BytesValueSchema,
  DoubleValueSchema,
  FloatValueSchema,
  hasCustomJsonRepresentation,
  Int32ValueSchema,
  Int64ValueSchema,
  StringValueSchema,
  UInt32ValueSchema,
  UInt64ValueSchema,
} from '@bufbuild/protobuf/wkt';

/** What reads a value as protobuf's JSON has it, and what it has to be, for people. */
type Kind = readonly [schema: DescMessage, expected: string];

const NUMBER = 'must be a number';
const TEXT: Kind = [StringValueSchema, 'must be text'];
const INT32: Kind = [Int32ValueSchema, 'must be a whole number of 32 bits'];
const UINT32: Kind = [UInt32ValueSchema, 'must be a whole number from 0 to 4294967295'];
const INT64: Kind = [Int64ValueSchema, 'must be a whole number of 64 bits'];
const UINT64: Kind = [UInt64ValueSchema, 'must be a whole number of 64 bits, 0 or more'];

const SCALARS: Readonly<Record<ScalarType, Kind>> = {
  [ScalarType.BOOL]: [BoolValueSchema, 'must be true or false'],
  [ScalarType.BYTES]: [BytesValueSchema, 'must be bytes in base64'],
  [ScalarType.STRING]: TEXT,
  [ScalarType.DOUBLE]: [DoubleValueSchema, NUMBER],
  [ScalarType.FLOAT]: [FloatValueSchema, NUMBER],
  [ScalarType.INT32]: INT32,
  [ScalarType.SINT32]: INT32,
  [ScalarType.SFIXED32]: INT32,
  [ScalarType.UINT32]: UINT32,
  [ScalarType.FIXED32]: UINT32,
  [ScalarType.INT64]: INT64,
  [ScalarType.SINT64]: INT64,
  [ScalarType.SFIXED64]: INT64,
  [ScalarType.UINT64]: UINT64,
  [ScalarType.FIXED64]: UINT64,
};

const WELL_KNOWN: Readonly<Record<string, string>> = {
  'google.protobuf.Duration': 'must be a duration, such as "1.5s"',
  'google.protobuf.Timestamp': 'must be a time, such as "2030-01-31T12:00:00Z"',
  'google.protobuf.FieldMask':
    'must be the paths of fields in lowerCamelCase with commas between them, such as "name,http.readTimeout"',
};

/** Whether the message has a JSON of its own, that is no object of its fields. */
export const hasOwnJson = (desc: DescMessage): boolean => hasCustomJsonRepresentation(desc);

/** What is wrong with a value that is not null, of a field, or in its list or map, that is no message of fields; undefined: nothing. */
export function problemOfLeaf(field: DescField, json: JsonValue): string | undefined {
  if (field.enum) return isValueOf(field.enum, json) ? undefined : 'must be the name of a value';
  const kind = kindOf(field);
  return kind === undefined || isReadAs(kind, json) ? undefined : kind[1];
}

/** Numbers that the schema has not are for its rules. */
function isValueOf(desc: DescEnum, json: JsonValue): boolean {
  return typeof json === 'string' ? isRead(() => enumFromJson(desc, json)) : isReadAs(INT32, json);
}

function kindOf({ scalar, message }: DescField): Kind | undefined {
  if (scalar !== undefined) return SCALARS[scalar];
  return message && [message, WELL_KNOWN[message.typeName] ?? `must be the JSON of a ${message.typeName}`];
}

const isReadAs = ([schema]: Kind, json: JsonValue) => isRead(() => fromJson(schema, json));

function isRead(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false; // what it says has the value in it, which may be a secret
  }
}
