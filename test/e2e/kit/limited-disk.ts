import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from '../../helpers/wait-until.ts';

const MOUNT = 'mount -t tmpfs -o size="$1",mode=0755 none "$2"';

/** Why there can be no such disk here, or nothing. */
export function diskMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can mount a small disk';
  try {
    execFileSync('unshare', ['-m', 'sh', '-c', MOUNT, 'sh', '1m', '/mnt'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'mounting is not permitted here';
  }
}

/**
 * A disk of so many bytes at a directory, in a mount namespace of its own: it is gone, and all that was on it, with the
 * process that holds it, whatever becomes of this one.
 */
export class LimitedDisk {
  readonly #holder: number;
  readonly #ballast: string;

  private constructor(holder: number, directory: string) {
    this.#holder = holder;
    this.#ballast = join(`/proc/${holder}/root`, directory, 'ballast');
  }

  /** @param pidFile of the holder */
  static async mount(directory: string, bytes: number, pidFile: string): Promise<LimitedDisk> {
    await mkdir(directory, { recursive: true });
    const hold = `${MOUNT} && touch "$2/ballast" && exec sleep infinity`;
    const args = ['-m', 'sh', '-c', hold, 'sh', String(bytes), directory];
    const holder = spawn('unshare', args, { detached: true, stdio: 'ignore' });
    await once(holder, 'spawn');
    holder.unref();
    await writeFile(pidFile, `${holder.pid}\n`);
    const disk = new LimitedDisk(holder.pid!, directory);
    await waitUntil('the disk is mounted', () => disk.#isMounted());
    return disk;
  }

  /** Of a program that shall see this disk. */
  seenBy(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
    return ['nsenter', `--mount=/proc/${this.#holder}/ns/mnt`, '--', ...command];
  }

  /** Takes all the room that is left. */
  fill(): void {
    try {
      execFileSync('dd', ['if=/dev/zero', `of=${this.#ballast}`, 'bs=1M'], { stdio: 'ignore' });
    } catch {} // no space is left, as it should be
  }

  /** Gives back what `fill` took. */
  async free(): Promise<void> {
    await rm(this.#ballast, { force: true });
  }

  unmount(): void {
    try {
      process.kill(this.#holder, 'SIGKILL');
    } catch {} // it is gone
  }

  #isMounted(): boolean {
    try {
      execFileSync('test', ['-e', this.#ballast]);
      return true;
    } catch {
      return false;
    }
  }
}
