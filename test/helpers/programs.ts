import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const GRPCURL = 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.8.9';
/** Programs of the tests, by the Debian package they come with. */
const PACKAGES: readonly (readonly [program: string, debianPackage: string])[] = [
  ['curl', 'curl'],
  ['mosquitto_pub', 'mosquitto-clients'],
  ['mosquitto', 'mosquitto'],
  ['openssl', 'openssl'],
  ['java', 'default-jre-headless'],
  ['mvn', 'maven'],
  ['go', 'golang-go'],
  ['chromium', 'chromium'],
];

const BIN = join(homedir(), '.cache', 'penstock', 'bin');
/** Where Debian has servers, which is not on the PATH of everybody. */
const SBIN = '/usr/sbin';

/**
 * Puts every program that the tests use on the PATH: installs what is missing when this is Debian and we are root.
 * @throws Error that names what is missing and how to install it
 */
export function installPrograms(say: (line: string) => void): void {
  process.env.PATH = [BIN, process.env.PATH, SBIN].join(delimiter);
  const missing = PACKAGES.filter(([program]) => !isThere(program)).map(([, debianPackage]) => debianPackage);
  if (!runs("python3 -c 'import ensurepip'")) missing.push('python3-venv');
  if (missing.length > 0) installPackages(missing, say);
  if (isThere('grpcurl')) return;
  say('installing grpcurl with Go');
  execFileSync('go', ['install', GRPCURL], { env: { ...process.env, GOBIN: BIN }, stdio: 'inherit' });
}

function installPackages(packages: readonly string[], say: (line: string) => void): void {
  const command = `apt-get install -y ${packages.join(' ')}`;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(`the tests need programs that are not here; as root: ${command}`);
  }
  say(`installing ${packages.join(', ')}`);
  const options = {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'] as const,
  };
  execFileSync('apt-get', ['update'], { ...options, stdio: [...options.stdio] });
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', ...packages], {
    ...options,
    stdio: [...options.stdio],
  });
}

const runs = (command: string) => spawnSync('sh', ['-c', command]).status === 0;
const isThere = (program: string) => runs(`command -v ${program}`);
