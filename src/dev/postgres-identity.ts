import { lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandOptions, run } from './command.ts';
import { DevError } from './data-directory.ts';

const NOBODY = 65534;
const TIMEOUT_MS = 10_000;

/** As whom PostgreSQL's programs run: PostgreSQL refuses to be root. */
export interface Identity {
  /** Goes before each command. */
  readonly prefix: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

/** For anybody but root: as they are. */
export const OURSELVES: Identity = { prefix: [] };
/** Root outside, nobody in a user namespace: the files stay root's. */
export const NAMESPACE: Identity = {
  prefix: ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'],
};
/** Where user namespaces are not allowed, as in many containers. */
export const REAL_NOBODY: Identity = { prefix: [], uid: NOBODY, gid: NOBODY };

/** The first identity that works here. */
export async function chooseIdentity(uid = process.getuid?.()): Promise<Identity> {
  if (uid !== 0) return OURSELVES;
  const works = await runAs(NAMESPACE, 'true', [], { timeoutMs: TIMEOUT_MS }).then(
    () => true,
    () => false,
  );
  return works ? NAMESPACE : REAL_NOBODY;
}

export function runAs(
  identity: Identity,
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const { prefix, ...user } = identity;
  const [command = program, ...rest] = [...prefix, program, ...args];
  return run(command, rest, { ...options, ...user });
}

/**
 * Gives the directory and all in it to the identity, when it was made by root or for another one.
 * @throws DevError when the identity cannot reach it
 */
export async function giveTo(identity: Identity, directory: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const owner = identity.uid ?? 0;
  if ((await lstat(directory)).uid !== owner) {
    for (const name of await readdir(directory, { recursive: true })) {
      await lchown(join(directory, name), owner, owner);
    }
    // Last, so that a run killed before here is made good by the next.
    await lchown(directory, owner, owner);
  }
  await runAs(identity, 'test', ['-w', directory], { timeoutMs: TIMEOUT_MS }).catch((cause: unknown) => {
    throw new DevError(
      `PostgreSQL, which cannot run as root, has no way to ${directory}: choose a --data-dir below a directory everybody can enter, such as /var/lib, or run as another user`,
      { cause },
    );
  });
}
