import { Client } from 'pg';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { PostgresUrl } from './postgres-url.ts';

const TIMEOUT = 2500;

interface LockConnection {
  readonly postgres: PostgresUrl;
  /** What PostgreSQL shows it as. */
  readonly name: string;
  /** PostgreSQL ends the connection when it is not used for so many milliseconds. Unset: never. */
  readonly idleTimeout?: number;
  readonly logger: Logger;
  readonly onBroken: (client: Client) => void;
}

/**
 * A connection for advisory locks, which PostgreSQL gives to others as soon as the connection is gone. Every query ends
 * within seconds.
 */
export async function openLockConnection({
  postgres,
  name,
  idleTimeout = 0,
  logger,
  onBroken,
}: LockConnection): Promise<Client> {
  const client = new Client({
    ...postgres.config(),
    application_name: name,
    connectionTimeoutMillis: TIMEOUT,
    query_timeout: TIMEOUT,
    statement_timeout: TIMEOUT,
    keepAlive: true,
    // Of a node that vanished without a word the server notices within 15 s, and gives the lock away.
    options: `-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2 -c idle_session_timeout=${idleTimeout}`,
  });
  client.on('error', (error) => {
    logger.debug('a PostgreSQL connection with locks broke', { name, why: messageOf(error) });
    onBroken(client);
  });
  await client.connect();
  return client;
}

export async function closeLockConnection(client: Client, clock: Clock): Promise<void> {
  await withDeadline(clock, TIMEOUT, 'closing PostgreSQL', client.end()).catch(() => {});
}
