import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Clock } from '../runtime/clock.ts';
import { UserError } from '../runtime/user-error.ts';
import { ServerProcess, serverEnded, stopOrphan } from './child-process.ts';
import { CommandError, run } from './command.ts';
import { freePorts } from './free-port.ts';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts';
import { chooseIdentity, giveTo, type Identity } from './postgres-identity.ts';
import { commandLineOf, processesIn } from './process-table.ts';

const USER = 'penstock';
const DATABASE = 'penstock';
const INITDB_MS = 120_000;
const START_MS = 60_000;
const CONNECT_MS = 1000;
const QUERY_MS = 10_000;
/** SIGINT is PostgreSQL's fast shutdown: it ends the sessions and writes everything. */
const STOP = { signal: 'SIGINT', graceMs: 15_000 } as const;
/** How long the processes of a killed PostgreSQL may hold its lock. */
const LOCKED_MS = 15_000;
const PORT_TRIES = 5;

/** A running PostgreSQL on this machine. Disposing of it stops it and keeps its data. */
export interface PostgresServer extends AsyncDisposable {
  /** Of the database `penstock`, as its superuser. Holds the password. */
  readonly url: string;
  /** Resolves when it ends without having been asked to. */
  readonly failed: Promise<UserError>;
}

export interface PostgresOptions {
  /** Must be locked by the caller. */
  readonly dataDir: string;
  progress(line: string): void;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** What the port is taken from; it may be taken again before PostgreSQL has it. */
  readonly findPorts?: (count: number) => Promise<readonly number[]>;
}

interface Installation {
  readonly binaries: PostgresBinaries;
  readonly identity: Identity;
  /** Belongs to the identity. */
  readonly home: string;
  readonly data: string;
  readonly password: string;
  readonly log: string;
  readonly pid: string;
}

/**
 * Starts PostgreSQL on a free port of 127.0.0.1, and answers when its database `penstock` can be used.
 * @throws UserError when there is no PostgreSQL for this platform or it does not start
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const { clock, progress } = options;
  const installation = await prepare(options.dataDir);
  await stopOrphan(installation.pid, installation.data, STOP, clock);
  await giveTo(installation.identity, installation.home);
  const began = clock.monotonic();
  progress('starting PostgreSQL…');
  if (!existsSync(installation.data)) await initialize(installation, options.signal);
  const lockedUntil = clock.monotonic() + LOCKED_MS;
  for (let tries = 1; ; ) {
    const started = await startOnPort(installation, options);
    if (typeof started !== 'string') {
      progress(`PostgreSQL is ready (${((clock.monotonic() - began) / 1000).toFixed(1)} s)`);
      return started;
    }
    if (started === 'port taken' && tries++ === PORT_TRIES) {
      throw new UserError('PostgreSQL found no free port: start again');
    }
    if (started === 'locked') {
      if (clock.monotonic() > lockedUntil) throw await serverEnded('PostgreSQL', 'locked', installation.log);
      await removeStaleLock(installation.data);
    }
    await clock.sleep(200, options.signal);
  }
}

async function prepare(directory: string): Promise<Installation> {
  await mkdir(directory, { recursive: true });
  const dataDir = await realpath(directory);
  const home = join(dataDir, 'postgres');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const binaries = postgresBinaries();
  return {
    binaries,
    identity: await chooseIdentity(binaries.postgres, home),
    home,
    data: join(home, 'data'),
    password: join(home, 'password'),
    log: join(dataDir, 'postgres.log'),
    pid: join(dataDir, 'postgres.pid'),
  };
}

/** Makes the empty data directory, in one step as seen from outside. */
async function initialize(installation: Installation, signal: AbortSignal | undefined): Promise<void> {
  const { binaries, identity, home, data, password } = installation;
  await writeFile(password, randomBytes(24).toString('base64url'), { mode: 0o600 });
  const incoming = join(home, `initdb-${randomBytes(4).toString('hex')}`);
  const settings = ['-U', USER, '--encoding=UTF8', '--locale=C', '--auth=scram-sha-256'];
  const initdb = [binaries.initdb, '-D', incoming, ...settings, `--pwfile=${password}`];
  const [command = '', ...args] = [...identity.prefix, ...initdb];
  try {
    await run(command, args, { timeoutMs: INITDB_MS, ...(signal ? { signal } : {}) });
    await rename(incoming, data);
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    throw new UserError(
      `PostgreSQL could not make ${data} (${cause.reason}): see to it, or choose another directory with --data-dir`,
      { cause },
    );
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

async function startOnPort(
  { binaries, identity, ...files }: Installation,
  options: PostgresOptions,
): Promise<PostgresServer | 'port taken' | 'locked'> {
  const [port = 0] = await (options.findPorts ?? freePorts)(1);
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'jit=off'];
  const program = [binaries.postgres, '-D', files.data, ...settings.flatMap((one) => ['-c', one])];
  const [command = '', ...args] = [...identity.prefix, ...program];
  const server = await ServerProcess.start(
    { command, args, logFile: files.log, pidFile: files.pid },
    options.clock,
    STOP,
  );
  try {
    const url = await ready(server, port, files, options);
    return {
      url,
      failed: server.failed.then((how) => serverEnded('PostgreSQL', how, files.log)),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    const log = await readFile(files.log, 'utf8');
    if (/Address already in use/.test(log)) return 'port taken';
    if (/lock file ".*" already exists|pre-existing shared memory block/.test(log)) return 'locked';
    throw error;
  }
}

/**
 * Any process with the pid that postmaster.pid names is taken for its owner. After a restart of the machine or the
 * container that is often another program: only when it surely is, and no process of PostgreSQL is left, the file goes.
 */
async function removeStaleLock(data: string): Promise<void> {
  const lock = join(data, 'postmaster.pid');
  const pid = Number((await readFile(lock, 'utf8').catch(() => '')).split('\n')[0]);
  if (!(pid > 0) || commandLineOf(pid)?.includes(data)) return;
  if (processesIn(data)?.length === 0) await rm(lock, { force: true });
}

/** Waits until it answers, and makes the database when it is not there. */
async function ready(
  server: ServerProcess,
  port: number,
  files: Pick<Installation, 'password' | 'log'>,
  options: PostgresOptions,
): Promise<string> {
  const { clock, signal } = options;
  const urlOf = (database: string, password: string) =>
    `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
  const password = await readFile(files.password, 'utf8');
  const end = clock.monotonic() + START_MS;
  let last: unknown;
  while (server.running && clock.monotonic() < end) {
    try {
      await makeDatabase(urlOf('postgres', password));
      return urlOf(DATABASE, password);
    } catch (error) {
      last = error;
    }
    await clock.sleep(30, signal);
  }
  if (!server.running) throw await serverEnded('PostgreSQL', await server.exited, files.log);
  throw new UserError(`PostgreSQL is not ready after ${START_MS / 1000} s: see ${files.log}`, {
    cause: last,
  });
}

async function makeDatabase(url: string): Promise<void> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: QUERY_MS,
  });
  client.on('error', () => {}); // A connection that breaks rejects its query too.
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
}
