import { crc32 } from 'node:zlib';
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescOneof,
  type Message,
  ScalarType,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { DurationSchema, FieldMaskSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';

/**
 * Messages in which every field is set, also in the messages inside, to a value that hangs on the field alone: one more field
 * changes no other. As many messages as it takes to have each case of each oneof once; with `isDeep` also those of the
 * messages inside, which else have their first case.
 */
export function filledMessages(desc: DescMessage, isDeep: boolean): readonly Message[] {
  return Array.from({ length: countOf(desc, isDeep) }, (_, i) => filled(desc, i, isDeep).message);
}

/** How many messages it takes. */
function countOf(desc: DescMessage, isDeep: boolean): number {
  const beside = desc.fields.filter(({ oneof }) => oneof === undefined);
  return Math.max(
    1,
    ...desc.oneofs.map((oneof) => sizeOf(oneof, isDeep)),
    ...beside.map((field) => countIn(field, isDeep)),
  );
}

const countIn = ({ message }: DescField, isDeep: boolean) =>
  isDeep && message && !wellKnown(message, 0) ? countOf(message, isDeep) : 1;
const sizeOf = ({ fields }: DescOneof, isDeep: boolean) =>
  fields.reduce((sum, field) => sum + countIn(field, isDeep), 0);

/** @param index which of the messages that it takes; there may be fewer, then they begin anew */
function filled(desc: DescMessage, index: number, isDeep: boolean): ReflectMessage {
  const message = reflect(desc, create(desc));
  const inner = isDeep ? index : 0;
  for (const field of desc.fields) if (field.oneof === undefined) fill(message, field, inner, isDeep);
  for (const oneof of desc.oneofs) {
    let left = index % sizeOf(oneof, isDeep);
    for (const field of oneof.fields) {
      const count = countIn(field, isDeep);
      if (left >= 0 && left < count) fill(message, field, left, isDeep);
      left -= count;
    }
  }
  return message;
}

function fill(message: ReflectMessage, field: DescField, index: number, isDeep: boolean): void {
  if (field.fieldKind === 'list') {
    const items = message.get(field);
    for (const which of [0, 1]) items.add(filling(field, index, isDeep, which));
  } else if (field.fieldKind === 'map') {
    if (field.mapKey !== ScalarType.STRING) throw new Error(`${field}: say here what a key of it is`);
    const entries = message.get(field);
    for (const which of [0, 1])
      entries.set(`key ${which} of ${field.name}`, filling(field, index, isDeep, which));
  } else {
    message.set(field, filling(field, index, isDeep, 0));
  }
}

/** @param which of the values of a list or a map */
function filling(field: DescField, index: number, isDeep: boolean, which: number): unknown {
  const seed = crc32(`${field} ${which}`);
  if (field.message) return wellKnown(field.message, seed) ?? filled(field.message, index, isDeep);
  if (field.enum) return numberIn(field.enum, which);
  return scalarOf(field, seed);
}

/** Messages that have a JSON of their own, and bounds; undefined: it is none of these. */
function wellKnown(desc: DescMessage, seed: number): ReflectMessage | undefined {
  const [seconds, nanos] = [BigInt(seed), seed % 1_000_000_000];
  switch (desc.typeName) {
    case TimestampSchema.typeName:
      return reflect(TimestampSchema, create(TimestampSchema, { seconds, nanos }));
    case DurationSchema.typeName:
      return reflect(DurationSchema, create(DurationSchema, { seconds, nanos }));
    case FieldMaskSchema.typeName:
      return reflect(FieldMaskSchema, create(FieldMaskSchema, { paths: ['first_path', 'second.path'] }));
    default:
      if (desc.typeName.startsWith('google.'))
        throw new Error(`say here what a ${desc.typeName} is filled with`);
      return undefined;
  }
}

/** Not the first: that one is not on the wire. */
function numberIn({ values }: DescEnum, which: number): number {
  return values[1 + (which % (values.length - 1))]!.number;
}

function scalarOf(field: DescField, seed: number): unknown {
  switch (field.scalar) {
    case ScalarType.BOOL:
      return true;
    case ScalarType.STRING:
      return `${field.name} ü ${seed % 100}`;
    case ScalarType.BYTES:
      return new Uint8Array([0, 255, ...Buffer.from(field.name)]);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return (seed % 1_000_000) / 8;
    case ScalarType.INT32:
      return -(seed >>> 1);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return seed;
    case ScalarType.INT64:
      return -BigInt(seed) << 24n;
    case ScalarType.UINT64:
      return (BigInt(seed) << 32n) + 1n;
    default:
      throw new Error(`${field}: say here what it is filled with`);
  }
}
