import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { base64Within } from '../../helpers/secret-canaries.ts';

/** A place where no secret may be, with what is there. */
export type Place = readonly [name: string, bytes: Uint8Array];

/** Every file of a directory, and of those in it. Of Kafka's segments not their indexes: they hold numbers, and are large. */
export async function filesIn(directory: string): Promise<readonly Place[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !/\.(time)?index$/.test(entry.name));
  const places: Place[] = [];
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name);
    const bytes = await readFile(path).catch(() => undefined); // a segment goes while it is looked for
    if (bytes) places.push([path.slice(directory.length + 1), bytes]);
  }
  return places;
}

/** The beginning of a secret that is random enough to be nothing else: where that is not, the whole is not. */
const BEGINNING = 20;

/** The ways to write a secret: as it is, with percents, as JSON, in hex, and in base64 however aligned. */
function formsOf(secret: string): ReadonlySet<string> {
  const hex = Buffer.from(secret).toString('hex');
  const base64 = [0, 1, 2].map((shift) => base64Within(secret, shift));
  const url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  return new Set([
    secret,
    encodeURIComponent(secret),
    new URLSearchParams({ '': secret }).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
    ...[hex, hex.toUpperCase(), ...base64, ...url],
  ]);
}

const HASHES = 1 << 16;
const hashOf = (four: number) => Math.imul(four, 0x9e3779b1) >>> 16;

/**
 * Which secrets are in which places, also when they are cut off: `secret in place`. All are looked for at once: there are
 * hundreds of them, and hundreds of megabytes.
 */
export function found(places: readonly Place[], secrets: ReadonlyMap<string, string>): readonly string[] {
  const byHash: { readonly name: string; readonly bytes: Buffer }[][] = [];
  const isHash = new Uint8Array(HASHES);
  for (const [name, secret] of secrets) {
    for (const form of formsOf(secret.slice(0, BEGINNING))) {
      const bytes = Buffer.from(form);
      const hash = hashOf(bytes.readUInt32BE(0));
      isHash[hash] = 1;
      byHash[hash] = [...(byHash[hash] ?? []), { name, bytes }];
    }
  }
  const told = new Set<string>();
  for (const [place, bytes] of places) {
    let four = 0;
    for (let i = 0; i < bytes.length; i++) {
      four = (four << 8) | bytes[i]!;
      const hash = hashOf(four);
      if (isHash[hash] === 0 || i < 3) continue;
      for (const needle of byHash[hash]!) {
        const there = bytes.subarray(i - 3, i - 3 + needle.bytes.length);
        if (needle.bytes.equals(there)) told.add(`${needle.name} in ${place}`);
      }
    }
  }
  return [...told];
}
