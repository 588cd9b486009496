import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** Clock ticks a second in /proc, which is the same on every Linux. */
const TICKS = 100;

/** A measured process that speaks over IPC. */
export class MeasuredChild implements AsyncDisposable {
  readonly process: ChildProcess;

  constructor(script: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
    this.process = fork(new URL(script, import.meta.url), args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }

  /** The next message that has this member. */
  async message<T extends object>(member: keyof T & string): Promise<T> {
    for (;;) {
      const [message] = (await once(this.process, 'message')) as [T];
      if (member in message) return message;
    }
  }

  /** Seconds of CPU so far, of user and system. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  }

  /** The most memory it has had, in MiB. */
  get peakMiB(): number {
    const status = readFileSync(`/proc/${this.process.pid}/status`, 'utf8');
    return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }

  /** The memory it has, in MiB. */
  get nowMiB(): number {
    const status = readFileSync(`/proc/${this.process.pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    await exited;
  }
}
