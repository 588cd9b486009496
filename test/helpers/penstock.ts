import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { onEnd } from './on-end.ts';
import { waitUntil } from './wait-until.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const READY = 120_000;
const RELEASE = 20_000;

/** A run of the `penstock` command in a process of its own. */
export class PenstockRun {
  readonly child: ChildProcess;
  /** All that it printed. */
  output = '';
  /** The part of it that went to stderr. */
  errors = '';
  readonly #exit: Promise<unknown>;

  /** @param input what it reads on stdin; unset: nothing */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, input?: string | Uint8Array) {
    this.child = spawn(process.execPath, ['src/main.ts', ...args], {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += chunk;
      });
    }
    this.child.stderr?.on('data', (chunk) => {
      this.errors += chunk;
    });
    this.child.stdin?.on('error', () => {}).end(input); // it may end before it has read all
    this.#exit = once(this.child, 'close');
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits for a text in what it prints. */
  async says(text: string, ms = READY): Promise<void> {
    await waitUntil(
      `penstock says ${text}`,
      () => {
        if (this.output.includes(text)) return true;
        if (this.isRunning) return false;
        throw new Error(`penstock ended without saying ${text}:\n${this.output}`);
      },
      ms,
    );
  }

  /** The address behind a word of the ready text. */
  address(word: 'gRPC' | 'HTTP' | 'MQTT'): string {
    const found = new RegExp(`^ *${word} +(\\S+)$`, 'm').exec(this.output)?.[1];
    if (found === undefined) throw new Error(`no ${word} address in:\n${this.output}`);
    return found;
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
    if (this.isRunning) this.child.kill(signal);
    await this.#exit;
    return this.child.exitCode;
  }

  /** Waits for its end and answers its exit code, null when a signal ended it. */
  async end(ms = READY): Promise<number | null> {
    await waitUntil(`penstock ends, which said\n${this.output}`, () => !this.isRunning, ms);
    await this.#exit;
    return this.child.exitCode;
  }

  /** Ctrl-C in its terminal: every process of its group gets the signal. */
  async interrupt(): Promise<number | null> {
    process.kill(-this.child.pid!, 'SIGINT');
    return this.end();
  }

  /** The most memory that it ever had, in bytes. */
  get peakMemory(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** SIGKILL to the run alone. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#exit;
  }

  /** It stands still, with its connections open. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** Ends it after a test, whatever the test did to it: in order if it still can. */
  async release(): Promise<void> {
    this.resume();
    this.child.kill('SIGINT');
    await this.end(RELEASE).catch(() => this.kill());
  }

  /** SIGKILL to the run and to all that it started. */
  async killAll(pids: readonly number[]): Promise<void> {
    for (const pid of [this.child.pid!, ...pids]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {} // it is gone already
    }
    await this.#exit;
  }
}

/** A data directory of the test's own. */
export async function dataDirectory(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-e2e-'));
  onEnd(t, () => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** `penstock dev` on free ports; stopped after the test. */
export async function startDevForTests(
  t: TestContext,
  dataDir: string,
  command = 'dev',
  env: NodeJS.ProcessEnv = {},
): Promise<PenstockRun> {
  const ports = ['--grpc-port', '0', '--http-port', '0', '--mqtt-port', '0'];
  const run = new PenstockRun([command, ...ports, '--data-dir', dataDir], env);
  onEnd(t, () => run.stop());
  await run.says('penstock is ready');
  return run;
}
