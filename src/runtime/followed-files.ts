import { readFileSync, type Stats, statSync } from 'node:fs';
import { type Logger, messageOf } from './logger.ts';
import { stampOf } from './system-file.ts';
import { UserError } from './user-error.ts';

/** A file that the operator names. */
export interface NamedFile {
  readonly path: string;
  /** What names it, for people: a setting. */
  readonly from: string;
}

/**
 * What is made of files, anew once one of them has changed: secrets that are mounted into a container do. When nothing can be
 * made of them then, as of a new certificate whose key is still the old one, what was made before stays. Both are logged.
 */
export class FollowedFiles<T> {
  readonly #files: readonly NamedFile[];
  readonly #make: (texts: readonly string[]) => T;
  readonly #logger: Logger;
  #stamp: string;
  /** What could not be used, and was told. */
  #told = '';
  #made: T;

  /**
   * @param make what the texts of the files are made into, in their order; throws what is wrong with them
   * @throws UserError when a file cannot be read, or nothing can be made of them
   */
  constructor(files: readonly NamedFile[], make: (texts: readonly string[]) => T, logger: Logger) {
    this.#files = files;
    this.#make = make;
    this.#logger = logger;
    this.#stamp = this.#stampNow();
    this.#made = this.#from(files.map(read));
  }

  /** As the files are now. Looks at them each time, which is for what is rare, such as a new connection. */
  current(): T {
    const stamp = this.#stampNow();
    if (stamp === this.#stamp) return this.#made;
    const files = this.#files.map(({ path }) => path).join();
    try {
      const texts = this.#files.map(read);
      this.#stamp = stamp; // what could not be read is looked at again, also when it stays as it is
      this.#made = this.#from(texts);
      this.#logger.info('files have changed, and were read anew', { files });
    } catch (error) {
      if (this.#told === stamp) return this.#made;
      this.#told = stamp;
      this.#logger.warn('files have changed, but cannot be used: what was in them before is', {
        files,
        why: messageOf(error),
      });
    }
    return this.#made;
  }

  #from(texts: readonly string[]): T {
    try {
      return this.#make(texts);
    } catch (cause) {
      const names = this.#files.map(({ path, from }) => `${from} (${path})`).join(' and ');
      throw new UserError(`${names}: ${messageOf(cause)}`, { cause });
    }
  }

  #stampNow(): string {
    return this.#files.map(({ path }) => stampOf(statsOf(path))).join(' ');
  }
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function read({ path, from }: NamedFile): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UserError(`${from} cannot be read: ${messageOf(cause)}`, { cause });
  }
}
