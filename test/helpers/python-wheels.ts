import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const CACHE = join(homedir(), '.cache', 'penstock');

/**
 * Downloads the packages that a file of requirements names, with the first use.
 * @returns what makes pip take them from there, and from nowhere else
 */
export function pythonWheels(requirements: string): NodeJS.ProcessEnv {
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.implementation.cache_tag)']);
  const hash = createHash('sha256').update(readFileSync(requirements)).update(python).digest('hex');
  const directory = join(CACHE, `python-${hash.slice(0, 16)}`);
  if (!existsSync(directory)) {
    const incomplete = `${directory}.${process.pid}`;
    rmSync(incomplete, { recursive: true, force: true });
    mkdirSync(incomplete, { recursive: true });
    const venv = join(incomplete, 'venv');
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
    const options = ['--quiet', '--only-binary=:all:', '--dest', incomplete, '--requirement', requirements];
    execFileSync(join(venv, 'bin/pip'), ['download', ...options], { stdio: 'inherit' });
    rmSync(venv, { recursive: true });
    renameSync(incomplete, directory);
  }
  return { PIP_NO_INDEX: '1', PIP_FIND_LINKS: directory };
}
