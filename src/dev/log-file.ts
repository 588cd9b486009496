import { createWriteStream, fchmodSync, fstatSync, openSync, renameSync, type WriteStream } from 'node:fs';

/** A log beyond this is put aside, and the one that was put aside before goes. */
const MAX_BYTES = 50_000_000;

/** A file that this process appends lines to, and its owner alone reads; with what was put aside, bounded. */
export class LogFile implements Disposable {
  readonly path: string;
  readonly #maxBytes: number;
  #file: WriteStream;
  #bytes = 0;
  #isBroken = false;

  constructor(path: string, maxBytes = MAX_BYTES) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#file = this.#open();
  }

  write(line: string): void {
    if (this.#isBroken) this.#replace();
    if (this.#bytes >= this.#maxBytes) this.#putAside();
    this.#bytes += Buffer.byteLength(line);
    this.#file.write(line);
  }

  [Symbol.dispose](): void {
    this.#file.end();
  }

  #open(): WriteStream {
    const fd = openSync(this.path, 'a', 0o600);
    fchmodSync(fd, 0o600); // also one that was there already
    this.#bytes = fstatSync(fd).size;
    const file = createWriteStream(this.path, { fd });
    this.#isBroken = false;
    // A full disk is not to end the process; when there is room again, lines are written again.
    file.on('error', () => {
      this.#isBroken = true;
    });
    return file;
  }

  /** Where that cannot be done, this one goes on, and it is tried again after as many lines. */
  #putAside(): void {
    this.#bytes = 0;
    try {
      renameSync(this.path, `${this.path}.1`);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) return;
    }
    this.#replace();
  }

  #replace(): void {
    const before = this.#file;
    try {
      this.#file = this.#open();
      before.end(); // what it still holds is written to what was put aside
    } catch {
      // There may be no descriptor left.
    }
  }
}
