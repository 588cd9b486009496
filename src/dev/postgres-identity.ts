import { lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../runtime/logger.ts';
import { UserError } from '../runtime/user-error.ts';
import { CommandError, run } from './command.ts';

const NOBODY_ID = 65534;
const PROBE_MS = 30_000;
// A user without a name cannot run PostgreSQL either.
const PROBE = 'id -un && test -w "$1" && exec "$0" --version';

/** As whom PostgreSQL's programs run: they refuse to be root. */
export interface Identity {
  /** Goes before each command. */
  readonly prefix: readonly string[];
  /** To whom the data directory must belong, where that is not plain. */
  readonly owner?: number;
}

/** For anybody but root, who has a name. */
const OURSELVES: Identity = { prefix: [] };

/** Nobody in a user namespace, oneself outside: the files stay one's own. */
const NAMESPACE: Identity = {
  prefix: ['unshare', '--user', `--map-user=${NOBODY_ID}`, `--map-group=${NOBODY_ID}`, '--'],
};

/**
 * Where user namespaces are not allowed, as in many containers, or the way leads through another user's home: nobody,
 * who may still go wherever root may.
 */
const NOBODY: Identity = {
  prefix: [
    ...['setpriv', `--reuid=${NOBODY_ID}`, `--regid=${NOBODY_ID}`, '--clear-groups'],
    ...['--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--'],
  ],
  owner: NOBODY_ID,
};

/**
 * The first identity that can run `postgres` and write to `home`.
 * @throws UserError when there is none
 */
export async function chooseIdentity(postgres: string, home: string): Promise<Identity> {
  const root = process.getuid?.() === 0;
  const failures: string[] = [];
  for (const identity of root ? [NAMESPACE, NOBODY] : [OURSELVES, NAMESPACE]) {
    try {
      const [command = '', ...args] = [...identity.prefix, 'sh', '-c', PROBE, postgres, home];
      await run(command, args, { timeoutMs: PROBE_MS });
      return identity;
    } catch (error) {
      failures.push(error instanceof CommandError ? error.reason : messageOf(error));
    }
  }
  const message = root
    ? 'PostgreSQL does not run as root, and unshare and setpriv (Debian package util-linux) do not help here: run as another user, or set PENSTOCK_POSTGRES_URL to a database'
    : `the PostgreSQL of the npm package does not run here (${failures[0]}): set PENSTOCK_POSTGRES_URL to a database`;
  throw new UserError(message, { cause: new Error(failures.join('\n')) });
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
