import { createHash } from 'node:crypto';
import { uuidText } from './uuid-text.ts';

/** Of the UUIDs that are made of names here. */
const NAMESPACE = Buffer.from('8f9a6f0c6b3e4f0d9a5d2f61c07be2a4', 'hex');
/** A millisecond begins to count in the lower half, so that it has room for as many more. */
const FIRST_COUNT = 0x7ff;
const LAST_COUNT = 0xfff;
/** Random bytes of a UUID: where it begins to count, and its end. */
const RANDOM = 10;
/** Randomness is fetched for so many at a time: each call is dear. */
const POOL = 400;

/**
 * A function that makes UUIDs of version 7 (RFC 9562), each greater than the one before, also within a millisecond and
 * when the clock is set back.
 * @param now milliseconds since 1970
 * @param fill fills with random bytes
 */
export function createUuidV7(now: () => number, fill: (bytes: Uint8Array) => void): () => Uint8Array {
  const pool = Buffer.alloc(POOL * RANDOM);
  let used = pool.length;
  let time = 0;
  let count = 0;
  return () => {
    if (used === pool.length) {
      fill(pool);
      used = 0;
    }
    const current = Math.floor(now());
    if (current > time || count === LAST_COUNT) {
      time = Math.max(current, time + 1);
      count = pool.readUInt16BE(used) & FIRST_COUNT;
    } else count++;
    const id = Buffer.allocUnsafe(16);
    id.writeUIntBE(time, 0, 6);
    id.writeUInt16BE(0x7000 | count, 6);
    pool.copy(id, 8, used + 2, used + RANDOM);
    id[8] = 0x80 | (id[8]! & 0x3f);
    used += RANDOM;
    return id;
  };
}

/** The UUID of version 5 (RFC 9562) that a name has, as text: again the same for the same name. */
export function uuidOfName(name: string | Uint8Array): string {
  const id = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16);
  id[6] = 0x50 | (id[6]! & 0x0f);
  id[8] = 0x80 | (id[8]! & 0x3f);
  return uuidText(id);
}

/** The 16 bytes of a UUID as people write it. */
export const uuidBytes = (text: string): Uint8Array => Buffer.from(text.replaceAll('-', ''), 'hex');
