import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePorts } from '../../src/dev/free-port.ts';
import { onEnd } from './on-end.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitUntil } from './wait-until.ts';

/** A part of mosquitto.conf, with what it names as files, by name; `%dir%` in a line is where they are. */
export interface MosquittoSettings {
  /** Unset: anybody may do anything. */
  readonly general?: readonly string[];
  /** The lines of each listener. Unset: one over TCP. */
  readonly listeners?: readonly (readonly string[])[];
  /** Whether it keeps to itself what it does. */
  readonly isQuiet?: boolean;
  readonly files?: Readonly<Record<string, string>>;
}

/** A real mosquitto on 127.0.0.1, stopped after the test. */
export class Mosquitto {
  /** Those of the listeners, in their order. */
  readonly ports: readonly number[];
  /** All that it logged. */
  log = '';
  readonly #dir: string;
  #process: ChildProcess | undefined;

  constructor(dir: string, ports: readonly number[]) {
    this.#dir = dir;
    this.ports = ports;
  }

  get port(): number {
    return this.ports[0]!;
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  /** Starts it, again on the same ports and with what it kept on disk. */
  async start(): Promise<void> {
    const child = spawn('mosquitto', ['-c', join(this.#dir, 'mosquitto.conf')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (this.log += text));
    const end = () => child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => process.off('exit', end));
    await waitUntil(`mosquitto is ready:\n${this.log}`, async () => {
      if (child.exitCode !== null) throw new Error(`mosquitto ended:\n${this.log}`);
      return (await Promise.all(this.ports.map(isOpen))).every(Boolean);
    });
  }

  /** Ends it: SIGTERM lets it write down what it holds, SIGKILL does not. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

/** A mosquitto that is up, and stopped after the test. */
export async function mosquitto(t: TestContext, settings: MosquittoSettings = {}): Promise<Mosquitto> {
  const { general = ['allow_anonymous true'], listeners = [[]], isQuiet = false, files = {} } = settings;
  const dir = await temporaryDirectory(t);
  const ports = await freePorts(listeners.length);
  const lines = [
    `user ${userInfo().username}`,
    `log_type ${isQuiet ? 'error' : 'all'}`,
    'persistence true',
    `persistence_location ${dir}/`,
    'max_queued_messages 100000', // a slow subscriber loses nothing
    ...general,
    ...listeners.flatMap((own, i) => [`listener ${ports[i]} 127.0.0.1`, 'socket_domain ipv4', ...own]),
  ].map((line) => line.replaceAll('%dir%', dir));
  await writeFile(join(dir, 'mosquitto.conf'), `${lines.join('\n')}\n`);
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  const server = new Mosquitto(dir, ports);
  onEnd(t, () => server.stop('SIGKILL'));
  await server.start();
  return server;
}

/** What goes into mosquitto's password file for one user. */
export async function passwordFile(t: TestContext, user: string, password: string): Promise<string> {
  const file = join(await temporaryDirectory(t), 'passwords');
  execFileSync('mosquitto_passwd', ['-c', '-b', file, user, password], { stdio: 'pipe' });
  return await readFile(file, 'utf8');
}

const isOpen = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
