import assert from 'node:assert/strict';
import { chmod, readdir, readFile, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { LogFile } from '../../src/dev/log-file.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const textOf = (path: string) => readFile(path, 'utf8').catch(() => '');
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test('lines are appended, and the owner alone reads them', async (t) => {
  const path = join(await temporaryDirectory(t), 'a.log');
  await writeFile(path, 'before\n');
  await chmod(path, 0o644); // as an earlier version left it
  using log = new LogFile(path);
  log.write('line\n');
  await waitUntil('it is written', async () => (await textOf(path)) === 'before\nline\n');
  assert.equal(await modeOf(path), 0o600);
});

test('a log that is full is put aside while lines come, none is lost, and there are never more than two', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'a.log');
  using log = new LogFile(path, 100);
  const line = (i: number) => `${String(i).padStart(9, '0')}\n`;
  for (let i = 0; i < 25; i++) log.write(line(i));
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => line(from + i)).join('');
  await waitUntil('all are written', async () => (await textOf(path)) === lines(20, 25));
  await waitUntil('the earlier ones, too', async () => (await textOf(`${path}.1`)) === lines(10, 20));
  assert.deepEqual((await readdir(directory)).toSorted(), ['a.log', 'a.log.1']);
  assert.equal(await modeOf(`${path}.1`), 0o600);
});

test('a log that somebody took away is made anew when it is full', async (t) => {
  const path = join(await temporaryDirectory(t), 'a.log');
  using log = new LogFile(path, 10);
  log.write('0123456789\n');
  await waitUntil('it is written', async () => (await textOf(path)) === '0123456789\n');
  await unlink(path);
  log.write('after\n');
  await waitUntil('it is there again', async () => (await textOf(path)) === 'after\n');
});

test('what cannot be written on a full disk is left out, and lines are written again when there is room', async (t) => {
  const path = join(await temporaryDirectory(t), 'a.log');
  await symlink('/dev/full', path);
  using log = new LogFile(path);
  log.write('lost\n');
  await unlink(path);
  await waitUntil('lines are written again', async () => {
    log.write('line\n');
    return (await textOf(path)).includes('line\n');
  });
});

test('one that was full before is put aside with the first line', async (t) => {
  const path = join(await temporaryDirectory(t), 'a.log');
  await writeFile(path, 'x'.repeat(100));
  using log = new LogFile(path, 100);
  log.write('line\n');
  await waitUntil('it is written', async () => (await textOf(path)) === 'line\n');
  assert.equal(await textOf(`${path}.1`), 'x'.repeat(100));
});
