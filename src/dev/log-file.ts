import { createWriteStream, fchmodSync, fstatSync, openSync, renameSync, type WriteStream } from 'node:fs';

/** A log beyond this is put aside, and the one that was put aside before goes. */
const MAX_BYTES = 50_000_000;

/** A file that this process appends lines to, and its owner alone reads; with what was put aside, bounded. */
export class LogFile implements Disposable {
  readonly path: string;
  readonly #maxBytes: number;
  #file: WriteStream;
  #bytes = 0;

  constructor(path: string, maxBytes = MAX_BYTES) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#file = this.#open();
  }

  write(line: string): void {
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
    file.on('error', () => {}); // a full disk is not to end the process
    return file;
  }

  /** Where that cannot be done, this one goes on. */
  #putAside(): void {
    this.#bytes = 0;
    try {
      renameSync(this.path, `${this.path}.1`);
      const before = this.#file;
      this.#file = this.#open();
      before.end(); // what it still holds is written to what was put aside
    } catch {
      // It is tried again after as many lines.
    }
  }
}
