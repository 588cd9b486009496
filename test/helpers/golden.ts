import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What Penstock sends and stores, byte for byte, as it was when the files were written. */
const FOLDER = join(import.meta.dirname, '../contract/golden');
const COMMAND = 'PENSTOCK_TEST_WRITE_GOLDEN=1 node --test test/contract/golden.test.ts';
const isWriting = process.env.PENSTOCK_TEST_WRITE_GOLDEN !== undefined;

/** What stands in the files of the folder, by their names without `.json`. */
export function goldenNames(): readonly string[] {
  return readdirSync(FOLDER).map((file) => file.replace(/\.json$/, ''));
}

/**
 * Fails unless `fresh` is what the file holds. What it holds is shown to `isReadAlike` first, which fails where today's code
 * makes something else of it: the file is not written over then either.
 */
export function assertGolden<T>(name: string, fresh: T, isReadAlike: (old: T) => void): void {
  const file = join(FOLDER, `${name}.json`);
  const old = goldenNames().includes(name) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined;
  if (old !== undefined) isReadAlike(old);
  if (isWriting) writeFileSync(file, `${JSON.stringify(fresh, null, 1)}\n`);
  else
    assert.deepEqual(
      old,
      fresh,
      old === undefined
        ? `${name} has no file in test/contract/golden: if it is new, run ${COMMAND} and commit it`
        : `${name} is written otherwise than by the versions before. They are read still, so if something was only added, on ` +
            `purpose, run ${COMMAND} and commit what it changes; undo it otherwise`,
    );
}

/** Of bytes that versions before have written and that are read otherwise now. */
export const brokenFor = (name: string, what: string): string =>
  `${name}: what versions before have written is not read as they meant it any more (${what}). It is on Kafka, or callers ` +
  'send it: undo the change, add a field with a new number instead';
