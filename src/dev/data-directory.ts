import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { UserError } from '../runtime/user-error.ts';
import { startTimeOf } from './process-table.ts';

const LOCK = /^run-(\d+)-(\w+)\.lock$/;
const TRIES = 5;
const PAUSE_MS = 100;

/**
 * Takes the data directory for this process, making it when it is not there, until the answer is disposed of or the
 * process ends in whatever way.
 *
 * Every run puts down a file of its own first and looks for others afterwards, so that of two runs at least one sees
 * the other. A file names a process by pid and start time: whether it is stale needs no guess, and removing it can
 * never hit a live run's.
 * @throws UserError when another run has it
 */
export async function lockDataDirectory(dir: string, clock: Clock = systemClock): Promise<AsyncDisposable> {
  await mkdir(dir, { recursive: true }).catch((cause: unknown) => {
    throw new UserError(`cannot make the data directory ${resolve(dir)}: choose another with --data-dir`, {
      cause,
    });
  });
  const mine = `run-${process.pid}-${startTimeOf(process.pid)}.lock`;
  for (let tries = 1; ; tries++) {
    const rival = await tryLock(dir, mine);
    if (rival === undefined) return { [Symbol.asyncDispose]: () => rm(join(dir, mine), { force: true }) };
    // Both of two runs that begin at once may see each other: one of them has to come back.
    if (tries === TRIES || mine >= rival) throw inUse(dir, rival);
    await clock.sleep(PAUSE_MS);
  }
}

/** Puts the lock file down; when another run is there, takes it away again and answers the other's. */
async function tryLock(dir: string, mine: string): Promise<string | undefined> {
  const file = join(dir, mine);
  try {
    await (await open(file, 'wx')).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return mine;
    throw new UserError(`cannot write to ${resolve(dir)}: choose another with --data-dir`, { cause: error });
  }
  for (const name of await readdir(dir)) {
    const [, pid, startTime] = LOCK.exec(name) ?? [];
    if (pid === undefined || name === mine) continue;
    if (startTimeOf(Number(pid)) === startTime) {
      await rm(file, { force: true });
      return name;
    }
    await rm(join(dir, name), { force: true });
  }
  return undefined;
}

function inUse(dir: string, lock: string): UserError {
  const pid = LOCK.exec(lock)?.[1];
  return new UserError(
    `${resolve(dir)} is in use by another run (pid ${pid}): stop it, or choose another with --data-dir`,
  );
}
