import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import type { Clock } from '../runtime/clock.ts';
import { withDeadline } from '../runtime/deadline.ts';
import { UserError } from '../runtime/user-error.ts';
import { commandLineOf } from './process-table.ts';

const KILLED_MS = 5000;

/** The signal a server ends cleanly on, and how long that may take before SIGKILL. */
export interface StopWith {
  readonly signal: NodeJS.Signals;
  readonly graceMs: number;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Takes what the server prints; the one before is kept as `<logFile>.1`. */
  readonly logFile: string;
  /** Names the running server, for a later run to find it should this one be killed. */
  readonly pidFile: string;
}

/**
 * A server that runs in a process group of its own, so that a Ctrl-C reaches only us and we can stop it last. It does
 * not keep this process alive.
 */
export class ServerProcess implements AsyncDisposable {
  /** How it ended, such as `exit code 1`. */
  readonly exited: Promise<string>;
  /** The same, but only when nobody asked it to. */
  readonly failed: Promise<string>;
  readonly #child: ChildProcess;
  readonly #command: ServerCommand;
  readonly #clock: Clock;
  readonly #stopWith: StopWith;
  #running = true;
  #stopping: Promise<void> | undefined;

  private constructor(child: ChildProcess, command: ServerCommand, clock: Clock, stopWith: StopWith) {
    this.#child = child;
    this.#command = command;
    this.#clock = clock;
    this.#stopWith = stopWith;
    const exited = Promise.withResolvers<string>();
    const failed = Promise.withResolvers<string>();
    this.exited = exited.promise;
    this.failed = failed.promise;
    // The process may end without disposing: by a second Ctrl-C, or by a defect.
    const stopAtExit = () => child.kill(stopWith.signal);
    process.once('exit', stopAtExit);
    child.once('exit', (code, signal) => {
      process.off('exit', stopAtExit);
      this.#running = false;
      const how = signal ?? `exit code ${code}`;
      exited.resolve(how);
      if (this.#stopping === undefined) failed.resolve(how);
    });
  }

  static async start(command: ServerCommand, clock: Clock, stopWith: StopWith): Promise<ServerProcess> {
    if (existsSync(command.logFile)) renameSync(command.logFile, `${command.logFile}.1`);
    const log = openSync(command.logFile, 'w', 0o600);
    try {
      const child = spawn(command.command, command.args, {
        cwd: '/',
        detached: true,
        stdio: ['ignore', log, log],
      });
      // At once and synchronously: a server without this file would outlive a kill unnoticed.
      if (child.pid !== undefined) writeFileSync(command.pidFile, `${child.pid}\n`);
      const server = new ServerProcess(child, command, clock, stopWith);
      await once(child, 'spawn');
      child.on('error', () => {}); // From kill() alone, whose outcome `exited` tells.
      child.unref();
      return server;
    } finally {
      closeSync(log);
    }
  }

  get running(): boolean {
    return this.#running;
  }

  /** Asks it to end, and makes it when the grace is over. Every call waits for the same end. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { signal, graceMs } = this.#stopWith;
    this.#child.ref();
    if (this.#running) this.#child.kill(signal);
    try {
      await withDeadline(this.#clock, graceMs, this.#command.command, this.exited);
    } catch {
      this.#child.kill('SIGKILL');
      await withDeadline(this.#clock, KILLED_MS, `${this.#command.command} after SIGKILL`, this.exited);
    }
    rmSync(this.#command.pidFile, { force: true });
  }
}

/**
 * Stops the server that a killed run left behind, if it still runs. `argument` is one that only this data directory's
 * server has, so that no other process that got its pid since is touched.
 */
export async function stopOrphan(
  pidFile: string,
  argument: string,
  stopWith: StopWith,
  clock: Clock,
): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  const runs = () => pid > 0 && (commandLineOf(pid)?.includes(argument) ?? false);
  const ends = async (signal: NodeJS.Signals, ms: number) => {
    const end = clock.monotonic() + ms;
    if (runs()) process.kill(pid, signal);
    while (runs() && clock.monotonic() < end) await clock.sleep(50);
    return !runs();
  };
  if (!(await ends(stopWith.signal, stopWith.graceMs)) && !(await ends('SIGKILL', KILLED_MS))) {
    throw new UserError(`a server of an earlier run (pid ${pid}) does not end: stop it, and start again`);
  }
  rmSync(pidFile, { force: true });
}

/** Why a server ended, with the end of its log as the cause. */
export async function serverEnded(name: string, how: string, logFile: string): Promise<UserError> {
  const log = await lastLines(logFile).catch((error: unknown) => String(error));
  return new UserError(`${name} ended (${how}): see ${logFile}`, { cause: new Error(log) });
}

async function lastLines(file: string): Promise<string> {
  await using handle = await open(file);
  const { size } = await handle.stat();
  const tail = Buffer.alloc(Math.min(size, 8192));
  await handle.read(tail, 0, tail.length, size - tail.length);
  return tail.toString('utf8').trimEnd().split('\n').slice(-20).join('\n');
}
