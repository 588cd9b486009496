import { uuidText } from '../../../src/contract/uuid-text.ts';

/** A random UUID (version 4, RFC 9562). Over plain HTTP browsers have no `crypto.randomUUID`, but random bytes. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return uuidText(bytes);
}
