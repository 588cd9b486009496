import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockDataDirectory } from '../../src/dev/data-directory.ts';
import { UserError } from '../../src/runtime/user-error.ts';
import { kill9, runApart } from '../helpers/run-apart.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const inUseBy = (pid: number) => (error: unknown) => {
  assert(error instanceof UserError);
  assert.match(
    error.message,
    new RegExp(`in use by another run \\(pid ${pid}\\): stop it, or choose .* --data-dir`),
  );
  return true;
};

/** Takes the lock and keeps it, or prints why it cannot. */
const lockApart = (dir: string) => `
  const { lockDataDirectory } = await import(root + 'src/dev/data-directory.ts');
  try {
    await lockDataDirectory(${JSON.stringify(dir)});
    console.log('locked');
  } catch (error) {
    console.log(error.message);
  }
  process.stdin.resume();`;

test('the data directory', async (t) => {
  await t.test('belongs to one run until it lets go', async (t) => {
    const dir = join(await temporaryDirectory(t), 'not', 'there');
    const lock = await lockDataDirectory(dir);
    await assert.rejects(lockDataDirectory(dir), inUseBy(process.pid));
    await lock[Symbol.asyncDispose]();
    await lock[Symbol.asyncDispose]();
    await using _again = await lockDataDirectory(dir);
  });

  await t.test('is refused while another process has it, and free when that was killed', async (t) => {
    const dir = await temporaryDirectory(t);
    const { child, firstLine } = await runApart(t, lockApart(dir));
    assert.equal(firstLine, 'locked');
    await assert.rejects(lockDataDirectory(dir), inUseBy(child.pid));
    await kill9(child);
    await using _lock = await lockDataDirectory(dir);
    assert.equal((await readdir(dir)).length, 1);
  });

  await t.test('is free when the pid of its last run is now another process', async (t) => {
    const dir = await temporaryDirectory(t);
    await writeFile(join(dir, `run-${process.ppid}-1.lock`), '');
    await using _lock = await lockDataDirectory(dir);
  });

  await t.test('goes to one of two that begin at once', async (t) => {
    const dir = await temporaryDirectory(t);
    const runs = await Promise.all([runApart(t, lockApart(dir)), runApart(t, lockApart(dir))]);
    const lines = runs.map((run) => run.firstLine).sort();
    assert.match(lines[0] ?? '', /in use by another run/);
    assert.equal(lines[1], 'locked');
  });

  await t.test('that cannot be made says so', async (t) => {
    const file = join(await temporaryDirectory(t), 'file');
    await writeFile(file, '');
    await assert.rejects(lockDataDirectory(join(file, 'data')), {
      name: 'UserError',
      message: /cannot make the data directory .*: choose another with --data-dir/,
    });
  });
});
