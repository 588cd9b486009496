import { lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../runtime/logger.ts';
import { run } from './command.ts';
import { DevError } from './data-directory.ts';

const NOBODY_ID = 65534;
const PROBE_MS = 30_000;
const PROBE = 'test -w "$1" && exec "$0" --version';

/** As whom PostgreSQL's programs run: they refuse to be root. */
export interface Identity {
  /** Goes before each command. */
  readonly prefix: readonly string[];
  /** To whom the data directory must belong, where that is not plain. */
  readonly owner?: number;
}

/** For anybody but root. */
const OURSELVES: Identity = { prefix: [] };

/** Nobody in a user namespace, root outside: the files stay root's. */
const NAMESPACE: Identity = {
  prefix: ['unshare', '--user', `--map-user=${NOBODY_ID}`, `--map-group=${NOBODY_ID}`, '--'],
};

/**
 * Where user namespaces are not allowed, as in many containers, or the way leads through another user's home: nobody,
 * who may still go wherever root may.
 */
export const NOBODY: Identity = {
  prefix: [
    ...['setpriv', `--reuid=${NOBODY_ID}`, `--regid=${NOBODY_ID}`, '--clear-groups'],
    ...['--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--'],
  ],
  owner: NOBODY_ID,
};

/**
 * The first identity that can run `postgres` and write to `home`.
 * @throws DevError when there is none
 */
export async function chooseIdentity(postgres: string, home: string): Promise<Identity> {
  const root = process.getuid?.() === 0;
  const failures: string[] = [];
  for (const identity of root ? [NAMESPACE, NOBODY] : [OURSELVES]) {
    try {
      const [command = '', ...args] = [...identity.prefix, 'sh', '-c', PROBE, postgres, home];
      await run(command, args, { timeoutMs: PROBE_MS });
      return identity;
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  const message = root
    ? 'PostgreSQL does not run as root, and unshare and setpriv do not help here: run as another user, or set PENSTOCK_POSTGRES_URL to a database'
    : 'the PostgreSQL of the npm package does not run here: see the cause, or set PENSTOCK_POSTGRES_URL to a database';
  throw new DevError(message, { cause: new Error(failures.join('\n')) });
}

/** Gives the directory and all in it to the identity, when it was made by another. */
export async function giveTo({ owner }: Identity, directory: string): Promise<void> {
  if (owner === undefined || (await lstat(directory)).uid === owner) return;
  for (const name of await readdir(directory, { recursive: true })) {
    await lchown(join(directory, name), owner, owner);
  }
  // Last, so that a run killed before here is made good by the next.
  await lchown(directory, owner, owner);
}
