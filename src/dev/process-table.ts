import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * When the process started, as a word that no other process of the same pid will have; undefined when it has ended (a
 * zombie has).
 */
export function startTimeOf(pid: number): string | undefined {
  const stat = readProc(pid, 'stat');
  if (stat !== undefined) {
    // The second field is the name in brackets and may hold anything, brackets and blanks too.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  }
  return ps(pid, 'lstart')?.replace(/\W+/g, '_');
}

/** The program and its arguments, undefined when it has ended. Without /proc the arguments are split at blanks. */
export function commandLineOf(pid: number): readonly string[] | undefined {
  const line = readProc(pid, 'cmdline');
  if (line !== undefined) return line === '' ? undefined : line.split('\0');
  const printed = ps(pid, 'command');
  return printed === undefined ? undefined : [printed, ...printed.split(' ')];
}

/** The processes whose working directory this is; undefined where that cannot be learnt. */
export function processesIn(directory: string): readonly number[] | undefined {
  if (process.platform !== 'linux') return undefined;
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === directory;
    } catch {
      return false; // It has ended, or is another user's.
    }
  });
}

function readProc(pid: number, file: string): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // It has ended.
  }
}

function ps(pid: number, column: string): string | undefined {
  if (process.platform === 'linux') return undefined;
  const { stdout } = spawnSync('ps', ['-o', `${column}=`, '-p', String(pid)], {
    encoding: 'utf8',
    timeout: 5000,
  });
  return stdout?.trim() || undefined;
}
