import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { onEnd } from './on-end.ts';
import { descendants } from './processes.ts';

/** The checkout. */
export const ROOT = new URL('../..', import.meta.url).pathname;

/** A fenced block of a page: the language, the word after it, and the text. */
export interface Block {
  readonly language: string;
  readonly kind: string;
  readonly text: string;
}

/** The fenced blocks of a page of the repository, in their order. */
export async function blocksOf(page: string): Promise<readonly Block[]> {
  const text = await readFile(`${ROOT}/${page}`, 'utf8');
  return [...text.matchAll(/^```(\w*) *(\w*)\n(.*?)^```$/gms)].map(([, language, kind, inside]) => ({
    language: language!,
    kind: kind!,
    text: inside!,
  }));
}

/** Whether `printed` has the text of a page somewhere: … stands for anything, and how it is spaced does not matter. */
export function shows(printed: string, text: string): boolean {
  const spaceless = printed.replaceAll(/\s+/g, '');
  let at = 0;
  return text
    .replaceAll(/\s+/g, '')
    .split('…')
    .every((part) => {
      const found = spaceless.indexOf(part, at);
      at = found + part.length;
      return found >= 0;
    });
}

/** A command of a page in a shell of its own; what it printed so far is in `output`. */
export function shell(command: string, env: NodeJS.ProcessEnv = {}, cwd = ROOT) {
  const child = spawn('bash', ['-euc', command], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const running = { child, output: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      running.output += chunk;
    });
  }
  return running;
}

/** Ctrl-C for a command and all that it started. */
export async function interrupt(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  for (const pid of [...descendants(child.pid!), child.pid!]) {
    try {
      process.kill(pid, 'SIGINT');
    } catch {} // it has ended
  }
  await once(child, 'exit');
}

/** Runs a command until the test ends. */
export function keepRunning(t: TestContext, command: string, env?: NodeJS.ProcessEnv) {
  const running = shell(command, env);
  onEnd(t, () => interrupt(running.child));
  return running;
}
