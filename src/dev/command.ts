import { type ChildProcess, execFile } from 'node:child_process';

/** A program that could not be started (`code` ENOENT: there is none) or ended with an error; the message has its output. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: string | undefined;
  /** The line of the output that says most. */
  readonly reason: string;

  constructor(message: string, output: string, code?: string) {
    super(message);
    this.code = code;
    const lines = output.split('\n');
    this.reason = (lines.find((line) => /error|fatal/i.test(line)) ?? lines.at(-1) ?? '')
      .trim()
      .slice(0, 500);
  }
}

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Runs a program and answers what it printed. However that ends, the program has ended by then. */
export function run(command: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const { timeoutMs, ...rest } = options;
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      { cwd: '/', timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 16_777_216, ...rest },
      (error, stdout, stderr) => {
        const printed = `${stdout}${stderr}`.trim();
        if (error === null) return resolve(printed);
        if (options.signal?.aborted) return afterExit(child, () => reject(options.signal?.reason));
        const output = error.killed ? `not ended within ${timeoutMs} ms` : printed || error.message;
        const code = typeof error.code === 'string' ? error.code : undefined;
        reject(new CommandError(`${command}: ${output.slice(-4000)}`, output, code));
      },
    );
  });
}

/** Node calls back as soon as it has sent the signal. */
function afterExit(child: ChildProcess, then: () => void): void {
  const runs = child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  if (runs) child.once('exit', then);
  else then();
}
