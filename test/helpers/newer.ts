import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Numbers that no version has used yet. */
export const NEW_FIELD = 3000;
/** A case of an integration's configuration that this version does not know: its types have numbers from 100 on. */
export const NEW_TYPE = 190;

/** A field as a newer version writes it; joined to an encoded message it is a part of that. */
export function field(number: number, value: string | Uint8Array | number): Uint8Array {
  const writer = new BinaryWriter();
  if (typeof value === 'number') return writer.tag(number, WireType.Varint).uint32(value).finish();
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return writer.tag(number, WireType.LengthDelimited).bytes(bytes).finish();
}

/** Encoded messages that are joined are merged, and so are those of one field of them. */
export const joined = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);

/** Whether these bytes are a part of those, as they are. */
export const contains = (bytes: Uint8Array, part: Uint8Array): boolean =>
  Buffer.from(bytes).includes(Buffer.from(part));
