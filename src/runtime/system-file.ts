import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';

/** What a file of the system says, read again once it has changed. One that cannot be read is empty. */
export function followFile<T>(path: string, parse: (text: string) => T): () => Promise<T> {
  let last: { readonly stamp: string; readonly value: T } | undefined;
  return async () => {
    const stamp = stampOf(await stat(path).catch(() => undefined));
    if (last?.stamp === stamp) return last.value;
    const value = parse(await readFile(path, 'utf8').catch(() => ''));
    last = { stamp, value };
    return value;
  };
}

/** Differs once a file was written, or another one was put in its place; undefined: there is none. */
export const stampOf = (stats: Stats | undefined): string =>
  stats ? [stats.mtimeMs, stats.ctimeMs, stats.size, stats.ino].join() : 'missing';
