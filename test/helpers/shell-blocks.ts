import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { onEnd } from './on-end.ts';
import { descendants } from './processes.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

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

/** A command of a page in a shell of its own; what it printed so far is in `output`. */
export function shell(command: string, env: NodeJS.ProcessEnv = {}) {
  const child = spawn('bash', ['-euc', command], {
    cwd: ROOT,
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
