import { createHash, createSecretKey } from 'node:crypto';
import type { KeyRing } from '../../src/contract/sealed-secrets.ts';

export const keyOf = (id: string) => createHash('sha256').update(`key ${id} of the tests`).digest();

/** Keys with these ids, the first one to seal with; the same ones for the same ids. */
export const keyRing = (...ids: readonly string[]): KeyRing =>
  new Map(ids.map((id) => [id, createSecretKey(keyOf(id))]));

/** The same, as PENSTOCK_SECRET_KEYS has them. */
export const secretKeysText = (...ids: readonly string[]): string =>
  ids.map((id) => `${id}:${keyOf(id).toString('base64')}`).join();

/** The key that control planes and executors have by default in tests. */
export const TEST_KEY_ID = 'test';
