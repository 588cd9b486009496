/** Parts of requests in Kafka's protocol. */
export function int16(value: number): Buffer {
  const buffer = Buffer.allocUnsafe(2);
  buffer.writeInt16BE(value);
  return buffer;
}

export function int32(value: number): Buffer {
  const buffer = Buffer.allocUnsafe(4);
  buffer.writeInt32BE(value);
  return buffer;
}

export const text = (value: string | null) =>
  value === null ? int16(-1) : Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);

/** A number of 64 bits; those beyond 2^53 lose their last bits. */
export const readInt64 = (buffer: Buffer, at: number) =>
  buffer.readInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4);
