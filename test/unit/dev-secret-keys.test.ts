import assert from 'node:assert/strict';
import fsp, { readdir, readFile, stat } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { secretKeysFile } from '../../src/dev/secret-keys-file.ts';
import { keysIn } from '../../src/runtime/secret-keys.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

test('the data directory of dev gets a key once, for its owner alone', async (t) => {
  const [dir, other] = [await temporaryDirectory(t), await temporaryDirectory(t)];
  const path = await secretKeysFile(dir);
  assert.equal(path, join(dir, 'secret-keys'));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const text = await readFile(path, 'utf8');
  assert.deepEqual([...keysIn(text).keys()], ['dev']);
  assert.equal(await readFile(await secretKeysFile(dir), 'utf8'), text, 'the same with each start');
  assert.notEqual(await readFile(await secretKeysFile(other), 'utf8'), text);
});

test('a crash before the key is on the disk leaves no file of keys without one', async (t) => {
  const dir = await temporaryDirectory(t);
  const { open, writeFile } = fsp;
  const crash = async (path: string, mode: string) => {
    await (await open(path, mode)).close();
    throw new Error('crashed');
  };
  t.mock.method(fsp, 'open', crash);
  t.mock.method(fsp, 'writeFile', (path: string) => crash(path, 'wx'));
  syncBuiltinESMExports();
  const restored = () => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  };
  t.after(restored);
  await assert.rejects(secretKeysFile(dir), /crashed/);
  restored();
  assert.equal(fsp.writeFile, writeFile);
  const path = await secretKeysFile(dir);
  assert.deepEqual([...keysIn(await readFile(path, 'utf8')).keys()], ['dev']);
  assert.deepEqual(await readdir(dir), ['secret-keys']);
});
