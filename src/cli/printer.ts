import type { Writable } from 'node:stream';
import { messageOf } from '../runtime/logger.ts';
import { UserError } from '../runtime/user-error.ts';

export type Print = (line: string) => Promise<void>;

/**
 * Does something that prints lines, and ends with it. A reader that goes away, as `head` does, ends it, too.
 * @throws UserError when a line cannot be written
 */
export async function printing(out: Writable, work: (print: Print) => Promise<void>): Promise<void> {
  const print = printerOn(out);
  try {
    await work(print);
  } catch (error) {
    if (!(error instanceof UnwrittenError)) throw error;
    if (error.code !== 'EPIPE') throw new UserError(`the answer cannot be written: ${error.message}`);
  }
}

/** What was to be printed, and could not be. */
class UnwrittenError extends Error {
  override readonly name = 'UnwrittenError';
  readonly code: string | undefined;
  constructor(cause: NodeJS.ErrnoException) {
    super(messageOf(cause), { cause });
    this.code = cause.code;
  }
}

/** Whoever reads slowly slows the call. */
function printerOn(out: Writable): Print {
  out.on('error', () => {}); // whoever prints is told
  return (line) =>
    new Promise((resolve, reject) =>
      out.write(`${line}\n`, (error) => (error ? reject(new UnwrittenError(error)) : resolve())),
    );
}
