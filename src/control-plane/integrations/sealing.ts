import { randomUUID } from 'node:crypto';
import { clone } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type { SealedSecret } from '../../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import {
  type KeyRing,
  NoSecretKeyError,
  openSecrets,
  type SealedIntegration,
  sealSecrets,
} from '../../contract/sealed-secrets.ts';
import { secretPaths, secretPlaces } from '../../contract/secrets.ts';
import { failed } from '../../rpc/error.ts';
import type { StoredIntegration } from '../store/integrations.ts';

/** What is stored, its secrets in clear text, to be merged with what a caller gives. In memory only. */
export interface Opened {
  /** `sealed` has what only a newer version has a place for. */
  readonly opened: StoredIntegration;
  /** Secrets that cannot be read, by what stands for them in the integration: they are kept, moved and lost as all others. */
  readonly kept: ReadonlyMap<string, SealedSecret>;
}

/** With what nobody can guess in the place of each secret that the keys do not open. */
export function openedOf(stored: StoredIntegration, keys: KeyRing): Opened {
  const { integration, unopened } = openSecrets(stored, keys);
  const standsFor = new Map(unopened.map(({ secret }) => [secret.path, secret]));
  const kept = new Map<string, SealedSecret>();
  const copy = clone(IntegrationSchema, integration);
  for (const { path, message, field } of secretPlaces(IntegrationSchema, copy)) {
    const secret = standsFor.get(path);
    if (secret === undefined) continue;
    const standIn = `unopened-${randomUUID()}`;
    kept.set(standIn, secret);
    message.set(field, standIn);
  }
  const known = secretPaths(IntegrationSchema, stored.integration);
  const sealed = stored.sealed.filter(({ path }) => !known.has(path));
  return { opened: { ...stored, integration: copy, sealed }, kept };
}

/**
 * The same with its secrets sealed, as it is stored and sent.
 * @param kept what stands for secrets that are sealed already
 * @throws RpcError FAILED_PRECONDITION when there are secrets and no key
 */
export function sealedAs<T extends SealedIntegration>(
  opened: T,
  keys: KeyRing,
  kept?: ReadonlyMap<string, SealedSecret>,
): T {
  try {
    const { integration, sealed } = sealSecrets(opened.integration, keys, kept);
    return { ...opened, integration, sealed: [...sealed, ...opened.sealed] };
  } catch (error) {
    if (!(error instanceof NoSecretKeyError)) throw error;
    const text = `${error.message}: set PENSTOCK_SECRET_KEYS_FILE of all control planes and executors to a file with a key, such as echo "k1:$(openssl rand -base64 32)" makes`;
    throw failed(Code.FAILED_PRECONDITION, 'NO_SECRET_KEY', text);
  }
}
