import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startPostgres } from '../../../src/dev/postgres-server.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { FaultProxy } from '../../helpers/fault-proxy.ts';
import { OwnKafka } from '../../helpers/own-kafka.ts';
import { serverForTests } from '../../helpers/server-for-tests.ts';
import { steadyPorts } from '../../helpers/steady-ports.ts';

export interface KafkaWithLinks extends AsyncDisposable {
  readonly server: OwnKafka;
  /** The one way to Kafka of each node that was named. */
  readonly links: ReadonlyMap<string, FaultProxy>;
  readonly brokersOf: (serviceId: string) => string;
}

/**
 * A Kafka of the test's own, that it can kill and start again. Each node named here reaches it through a proxy alone:
 * Kafka has a listener for each and tells it the proxy's address. Call at a test file's top level.
 */
export const kafkaWithLinks = (...serviceIds: readonly string[]) =>
  serverForTests(async (dataDir): Promise<KafkaWithLinks> => {
    await using stack = new AsyncDisposableStack();
    const links = new Map<string, FaultProxy>();
    const listeners = serviceIds.map((serviceId, i) => {
      const advertise = async (port: number) => {
        const link = stack.use(await FaultProxy.start('127.0.0.1', port));
        links.set(serviceId, link);
        return link.port;
      };
      return [`LINK${i}`, { protocol: 'PLAINTEXT', advertise }] as const;
    });
    const server = stack.use(
      await OwnKafka.start({ dataDir, users: {}, listeners: Object.fromEntries(listeners) }),
    );
    const all = stack.move();
    return {
      server,
      links,
      brokersOf(serviceId) {
        const link = links.get(serviceId);
        return link ? `127.0.0.1:${link.port}` : server.internal;
      },
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  });

/** A PostgreSQL of the test's own on a port that stays, behind a proxy. */
export class OwnPostgres implements AsyncDisposable {
  readonly link: FaultProxy;
  readonly #dataDir: string;
  readonly #port: number;
  #server: Awaited<ReturnType<typeof startPostgres>> | undefined;

  private constructor(dataDir: string, port: number, link: FaultProxy) {
    this.#dataDir = dataDir;
    this.#port = port;
    this.link = link;
  }

  static async start(dataDir: string): Promise<OwnPostgres> {
    const [port = 0] = await steadyPorts(1);
    const postgres = new OwnPostgres(dataDir, port, await FaultProxy.start('127.0.0.1', port));
    await postgres.start();
    return postgres;
  }

  /** Of its database, through the proxy. */
  get url(): string {
    const url = new URL(this.#server!.url);
    url.port = String(this.link.port);
    return url.href;
  }

  async start(): Promise<void> {
    const findPorts = async () => [this.#port];
    const progress = () => {};
    this.#server = await startPostgres({ dataDir: this.#dataDir, findPorts, progress, clock: systemClock });
  }

  /** SIGKILL; its data stays. */
  async kill(): Promise<void> {
    process.kill(Number(await readFile(join(this.#dataDir, 'postgres.pid'), 'utf8')), 'SIGKILL');
    await this.#server?.failed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    await this.link[Symbol.asyncDispose]();
  }
}

/** Call at a test file's top level. */
export const ownPostgres = () => serverForTests((dataDir) => OwnPostgres.start(dataDir));
