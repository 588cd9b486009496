import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { clone, create } from '@bufbuild/protobuf';
import { type SealedSecret, SealedSecretSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { secretPlaces } from './secrets.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Keys of 256 bits by their ids. The first one seals, each opens. */
export type KeyRing = ReadonlyMap<string, KeyObject>;

/** An integration as it may lie anywhere: its secrets are sealed, and not in it. */
export interface SealedIntegration {
  readonly integration: Integration;
  readonly sealed: readonly SealedSecret[];
}

/** A secret that cannot be read. */
export interface Unopened {
  readonly secret: SealedSecret;
  /** `missing`: there is no key of that id. `refused`: the key does not open it. */
  readonly why: 'missing' | 'refused';
}

/** There is no key to seal secrets with. */
export class NoSecretKeyError extends Error {
  override readonly name = 'NoSecretKeyError';
  /** The paths of the secrets. */
  readonly paths: readonly string[];
  constructor(paths: readonly string[]) {
    super(`there is no key to encrypt ${paths.join(', ')} with`);
    this.paths = paths;
  }
}

/**
 * Takes the secrets out of a copy of the integration and seals each, bound to the integration's id and its path.
 * @param kept secrets that are sealed already, by what stands for them in the integration
 * @throws NoSecretKeyError when there are secrets and no keys
 */
export function sealSecrets(
  integration: Integration,
  keys: KeyRing,
  kept: ReadonlyMap<string, SealedSecret> = new Map(),
): SealedIntegration {
  const copy = clone(IntegrationSchema, integration);
  const places = secretPlaces(IntegrationSchema, copy).filter(({ message, field }) => message.isSet(field));
  const [first] = keys;
  const withoutKey: string[] = [];
  const sealed = places.flatMap(({ path, message, field }) => {
    const value = message.get(field);
    if (typeof value !== 'string') throw new Error(`${path} is no text: say here how it is sealed`);
    message.clear(field);
    const known = kept.get(value);
    if (known?.path === path) return [known];
    if (first === undefined) withoutKey.push(path);
    return first === undefined ? [] : [seal(copy.id, path, value, ...first)];
  });
  if (withoutKey.length > 0) throw new NoSecretKeyError(withoutKey);
  return { integration: copy, sealed };
}

/**
 * The integration with its secrets, a copy; those that cannot be opened are named, and unset. One that is in the
 * integration already is newer than what is sealed. What this version has no place for is left out.
 */
export function openSecrets(
  { integration, sealed }: SealedIntegration,
  keys: KeyRing,
): { readonly integration: Integration; readonly unopened: readonly Unopened[] } {
  if (sealed.length === 0) return { integration, unopened: [] }; // as most are that an executor restores
  const copy = clone(IntegrationSchema, integration);
  const places = new Map(secretPlaces(IntegrationSchema, copy).map((place) => [place.path, place]));
  const unopened: Unopened[] = [];
  for (const secret of sealed) {
    const place = places.get(secret.path);
    if (place === undefined || place.message.isSet(place.field)) continue;
    const key = keys.get(secret.keyId);
    const value = key && open(copy.id, secret, key);
    if (value === undefined) unopened.push({ secret, why: key ? 'refused' : 'missing' });
    else place.message.set(place.field, value);
  }
  return { integration: copy, unopened };
}

/**
 * Everything sealed with the first key: what is sealed with another one, also if this version has no place for it, and what is
 * in clear text. What cannot be opened stays as it is.
 * @throws NoSecretKeyError when there are no keys
 */
export function resealSecrets(
  { integration, sealed }: SealedIntegration,
  keys: KeyRing,
): SealedIntegration & { readonly unopened: readonly Unopened[] } {
  const fresh = sealSecrets(integration, keys);
  const written = new Set(fresh.sealed.map(({ path }) => path));
  const [first] = keys;
  const unopened: Unopened[] = [];
  const others = sealed.flatMap((secret) => {
    if (written.has(secret.path)) return [];
    if (first === undefined) throw new NoSecretKeyError([secret.path]);
    if (secret.keyId === first[0]) return [secret];
    const key = keys.get(secret.keyId);
    const value = key && open(integration.id, secret, key);
    if (value !== undefined) return [seal(integration.id, secret.path, value, ...first)];
    unopened.push({ secret, why: key ? 'refused' : 'missing' });
    return [secret];
  });
  return { integration: fresh.integration, sealed: [...fresh.sealed, ...others], unopened };
}

/** Why a secret cannot be read and what to do, for people: neither it nor a key is in it. */
export function unopenedText({ secret, why }: Unopened): string {
  const key = `the key ${JSON.stringify(secret.keyId)} of PENSTOCK_SECRET_KEYS_FILE or PENSTOCK_SECRET_KEYS`;
  const because =
    why === 'missing'
      ? `${key} is missing here: add it`
      : `${key} does not open it: put the one there that it was sealed with`;
  return `cannot be decrypted, ${because}, or give the secret again with UpdateIntegration`;
}

/** What is authenticated with a secret: where it belongs. Ids and paths hold no NUL. */
const place = (id: string, path: string) => Buffer.from(`penstock.v1.SealedSecret\0${id}\0${path}`);

function seal(id: string, path: string, value: string, keyId: string, key: KeyObject): SealedSecret {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(place(id, path));
  const parts = [cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()];
  return create(SealedSecretSchema, { path, keyId, nonce, ciphertext: Buffer.concat(parts) });
}

/** Undefined: it was sealed with another key, belongs elsewhere, or was changed. */
function open(id: string, { path, nonce, ciphertext }: SealedSecret, key: KeyObject): string | undefined {
  const end = ciphertext.length - TAG_BYTES;
  if (nonce.length !== NONCE_BYTES || end < 0) return undefined;
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(place(id, path)).setAuthTag(ciphertext.subarray(end));
  try {
    return Buffer.concat([decipher.update(ciphertext.subarray(0, end)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
