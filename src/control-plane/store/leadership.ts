import { Client } from 'pg';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Queries } from './database.ts';

const TIMEOUT = 2500;
/** Any number, as long as all nodes lock the same. */
const RELAY_LOCK = 7_305_816_541_002;

/**
 * The one node that relays: it holds an advisory lock on a connection of its own, so that PostgreSQL gives the lock to
 * another as soon as this one is gone.
 */
export class Leadership implements AsyncDisposable {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #client: Client | undefined;
  #isLeader = false;

  constructor(url: string, deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.#url = url;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Runs `work` on the connection that holds the lock, which it so proves; undefined: another node holds it. */
  async run<T>(work: (queries: Queries) => Promise<T>): Promise<T | undefined> {
    try {
      this.#client ??= await this.#connect();
      const client = this.#client;
      if (!this.#isLeader) {
        const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [
          RELAY_LOCK,
        ]);
        this.#isLeader = rows[0]?.held === true;
        if (this.#isLeader) this.#logger.info('this node relays downlink records now');
      }
      if (!this.#isLeader) return undefined;
      return await work({ query: async (sql, values = []) => (await client.query(sql, [...values])).rows });
    } catch (error) {
      await this.#disconnect();
      throw error;
    }
  }

  async #connect(): Promise<Client> {
    const client = new Client({
      connectionString: this.#url,
      application_name: 'penstock-relay',
      connectionTimeoutMillis: TIMEOUT,
      query_timeout: TIMEOUT,
      statement_timeout: TIMEOUT,
      keepAlive: true,
      // Of a node that vanished without a word the server notices within 15 s, and gives the lock away.
      options: '-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2',
    });
    client.on('error', (error) => {
      this.#logger.debug('the PostgreSQL connection of the relay broke', { why: messageOf(error) });
      if (this.#client === client) void this.#disconnect();
    });
    await client.connect();
    return client;
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#isLeader = false;
    if (client) await withDeadline(this.#clock, TIMEOUT, 'closing PostgreSQL', client.end()).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disconnect();
  }
}
