import { execFile } from 'node:child_process';

/** A program that could not be started (`code` ENOENT: there is none) or ended with an error; the message has its output. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Runs a program to its end and answers what it printed. */
export function run(command: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const { timeoutMs, ...rest } = options;
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      { cwd: '/', timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 16_777_216, ...rest },
      (error, stdout, stderr) => {
        const output = `${stdout}${stderr}`.trim();
        if (error === null) return resolve(output);
        if (options.signal?.aborted) return reject(options.signal.reason);
        const late = error.killed ? `: not ended within ${timeoutMs} ms` : '';
        const code = typeof error.code === 'string' ? error.code : undefined;
        reject(new CommandError(`${command}${late}: ${output.slice(-4000) || error.message}`, code));
      },
    );
  });
}
