// npm run lock: writes package-lock.json from package.json, complete for every platform and without download addresses.
// npm leaves out optional packages of other platforms when the registry in use does not have them, and then refuses
// its own lock file.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

interface LockedPackage {
  version?: string;
  resolved?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const FILE = new URL('../package-lock.json', import.meta.url);
const PLATFORM =
  /(android|darwin|freebsd|linux|netbsd|openbsd|win32)-(arm64|aarch64|x64|armv7|arm|ia32)(-musl)?$/;
const CPU: Readonly<Record<string, string>> = { aarch64: 'arm64', armv7: 'arm' };

execFileSync('npm', ['install', '--package-lock-only'], { stdio: 'inherit' });
const lock = JSON.parse(readFileSync(FILE, 'utf8')) as { packages: Record<string, LockedPackage> };
const { packages } = lock;
for (const [path, { optionalDependencies = {}, dev }] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const [, os, cpu, musl] = PLATFORM.exec(name) ?? [];
    const key = `node_modules/${name}`;
    if (!os || !cpu || packages[key] || packages[`${path}/${key}`]) continue;
    packages[key] = {
      version,
      cpu: [CPU[cpu] ?? cpu],
      ...(dev ? { dev } : {}),
      ...(musl ? { libc: ['musl'] } : {}),
      optional: true,
      os: [os],
    };
  }
}
for (const locked of Object.values(packages)) delete locked.resolved;
lock.packages = Object.fromEntries(Object.entries(packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
