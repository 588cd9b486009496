/** JSON of a value, the same for every order in which its maps and messages were filled. Bytes are base64, bigints strings. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, canonical);
}

/** Writes what JSON cannot, and the keys of each object in one order, whatever order a map was written in. */
function canonical(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
