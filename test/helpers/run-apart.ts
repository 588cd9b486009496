import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { commandLineOf } from '../../src/dev/process-table.ts';

/**
 * Runs a module's code in a process of its own, killed after the test, and answers once it has printed its first line.
 * `root` in the code's scope is the URL of the repository.
 */
export async function runApart(
  t: TestContext,
  code: string,
): Promise<{ child: ChildProcess & { pid: number }; firstLine: string }> {
  const root = new URL('../../', import.meta.url).href;
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', `const root = ${JSON.stringify(root)};\n${code}`],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill('SIGKILL'));
  const [chunk] = await once(child.stdout, 'data', { signal: AbortSignal.timeout(60_000) });
  return { child: child as ChildProcess & { pid: number }, firstLine: String(chunk).trim() };
}

/** Kills it as an operating system does that has run out of memory, and waits until it has ended. */
export async function kill9(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** Should the test fail to end this server, whose command line has the argument, it is killed after the test. */
export function killAfter(t: TestContext, pid: number, argument: string): void {
  t.after(() => {
    if (commandLineOf(pid)?.includes(argument)) process.kill(pid, 'SIGKILL');
  });
}
