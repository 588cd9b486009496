import type { KeyRing } from '../../contract/sealed-secrets.ts';
import type { Warnings } from '../../runtime/warnings.ts';
import { Periodic, type PeriodicDeps } from '../periodic.ts';
import type { Database } from '../store/database.ts';
import { countInClearText, type Locked, lockedIntegrations } from '../store/secret-keys.ts';

const INTERVAL = 30_000;
/** Integrations that a warning names, and that a line of the log does. */
const NAMED = 5;
const LOGGED = 20;
/** Integrations from before that are looked at a time. */
const LOOKED_AT = 500;

interface Deps extends PeriodicDeps {
  readonly db: Database;
  readonly warnings: Warnings;
  secretKeys(): KeyRing;
}

/** Warns of secrets that this node has no keys for, and of those that lie in clear text. */
export function startSecretWatch(deps: Deps): Periodic {
  const { db, warnings, logger, secretKeys } = deps;
  let last = '';
  let lastCount = 0;
  return new Periodic(
    {
      name: 'looking at how secrets are encrypted',
      interval: INTERVAL,
      async work() {
        const keys = secretKeys();
        const { some, total } = await lockedIntegrations(db, [...keys.keys()], LOGGED);
        warnings.set('secret-keys', total > 0 ? lockedText(some, total) : undefined);
        const integrations = some.map(({ id }) => id).join();
        if (total > 0 && integrations !== last) {
          logger.error('secrets of integrations cannot be decrypted: their keys are missing', {
            keys: keysOf(some),
            count: total,
            integrations,
          });
        }
        last = integrations;
        const { count, isMore } = await countInClearText(db, LOOKED_AT);
        const clear = count > 0 ? clearText(count, keys.size > 0) : undefined;
        warnings.set('clear-secrets', clear);
        if (isMore) return true;
        if (clear !== undefined && count !== lastCount) logger.warn(clear);
        lastCount = count;
        return false;
      },
    },
    deps,
  );
}

const keysOf = (locked: readonly Locked[]) => [...new Set(locked.flatMap(({ keys }) => keys))].join();

/** For people. */
export function lockedText(some: readonly Locked[], total: number): string {
  const names = some.slice(0, NAMED).map(({ id, name }) => `${JSON.stringify(name)} (${id})`);
  const more = total > names.length ? ` and ${total - names.length} more` : '';
  return `secrets of ${total} integrations cannot be decrypted here, for keys are missing (${keysOf(some)}): ${names.join(', ')}${more}; add the keys to PENSTOCK_SECRET_KEYS_FILE, or give the secrets again with UpdateIntegration`;
}

const clearText = (count: number, hasKey: boolean) =>
  `${count}${count === LOOKED_AT ? ' or more' : ''} integrations have secrets in clear text, from before they were encrypted: ${hasKey ? '' : 'set PENSTOCK_SECRET_KEYS_FILE, then '}run penstock admin rotate-keys`;
