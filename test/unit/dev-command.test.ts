import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CommandError, run } from '../../src/dev/command.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const timeoutMs = 30_000;

test('a program answers what it printed', async () => {
  assert.equal(await run('sh', ['-c', 'echo out; echo err >&2'], { timeoutMs }), 'out\nerr');
});

test('a program that fails is told with the line that says most, one that is missing by its code', async () => {
  const failing = run('sh', ['-c', 'echo begin; echo "an error: no space"; echo end; exit 3'], { timeoutMs });
  await assert.rejects(failing, { name: 'CommandError', reason: 'an error: no space', code: undefined });
  await assert.rejects(run('no-such-program', [], { timeoutMs }), { name: 'CommandError', code: 'ENOENT' });
  const slow = run('sleep', ['60'], { timeoutMs: 50 });
  await assert.rejects(slow, (error) => error instanceof CommandError && /50 ms/.test(error.reason));
});

test('a program that is aborted has ended when that is told', async (t) => {
  const directory = await temporaryDirectory(t);
  for (let round = 0; round < 10; round++) {
    const pidFile = join(directory, `pid-${round}`);
    const stop = new AbortController();
    const running = run(
      'sh',
      ['-c', `echo $$ > ${pidFile}.tmp; mv ${pidFile}.tmp ${pidFile}; exec sleep 60`],
      {
        timeoutMs,
        signal: stop.signal,
      },
    );
    await waitUntil('it runs', () => existsSync(pidFile));
    const pid = Number(await readFile(pidFile, 'utf8'));
    const reason = new Error('stopped');
    stop.abort(reason);
    await assert.rejects(running, reason);
    assert.equal(existsSync(`/proc/${pid}`), false);
  }
});
