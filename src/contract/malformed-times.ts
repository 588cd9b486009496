import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt';

// From the comments of google/protobuf/duration.proto and timestamp.proto.
const MAX_DURATION = 315_576_000_000n;
const [FIRST_SECOND, LAST_SECOND] = [-62_135_596_800n, 253_402_300_799n];
const MAX_NANOS = 999_999_999;

/**
 * The paths of durations and timestamps that are out of range or of two signs. They can be sent as bytes, but have no
 * form in JSON: one of them would break every answer it is part of.
 */
export function malformedTimes(message: ReflectMessage, prefix = ''): string[] {
  return fieldsWithTimes(message.desc).flatMap((field) => {
    if (!message.isSet(field)) return [];
    const path = prefix + field.name;
    if (field.fieldKind === 'message') return malformedIn(message.get(field), path);
    if (field.fieldKind !== 'list') return [];
    return [...message.get(field)].flatMap((item, index) =>
      isReflectMessage(item) ? malformedIn(item, `${path}[${index}]`) : [],
    );
  });
}

function malformedIn(message: ReflectMessage, path: string): string[] {
  switch (message.desc.typeName) {
    case DurationSchema.typeName:
      return isDuration(message.message as Duration) ? [] : [path];
    case TimestampSchema.typeName:
      return isTimestamp(message.message as Timestamp) ? [] : [path];
    default:
      return malformedTimes(message, `${path}.`);
  }
}

function isDuration({ seconds, nanos }: Duration): boolean {
  const isInRange = seconds >= -MAX_DURATION && seconds <= MAX_DURATION && Math.abs(nanos) <= MAX_NANOS;
  return isInRange && !(seconds > 0n && nanos < 0) && !(seconds < 0n && nanos > 0);
}

function isTimestamp({ seconds, nanos }: Timestamp): boolean {
  return seconds >= FIRST_SECOND && seconds <= LAST_SECOND && nanos >= 0 && nanos <= MAX_NANOS;
}

const known = new WeakMap<DescMessage, readonly DescField[]>();

/** The fields that can hold a duration or a timestamp, at whatever depth. */
function fieldsWithTimes(schema: DescMessage): readonly DescField[] {
  let fields = known.get(schema);
  if (fields === undefined) {
    known.set(schema, []); // Ends the recursion of a schema that contains itself.
    fields = schema.fields.filter(({ message }) => message !== undefined && holdsTimes(message));
    known.set(schema, fields);
  }
  return fields;
}

const holdsTimes = (schema: DescMessage): boolean =>
  schema.typeName === DurationSchema.typeName ||
  schema.typeName === TimestampSchema.typeName ||
  fieldsWithTimes(schema).length > 0;
