import { Client } from 'pg';
import { startPostgres } from '../../src/dev/postgres-server.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Certificate } from './certificates.ts';

export interface TlsPostgres extends AsyncDisposable {
  /** Of its database, by its superuser; the host is 127.0.0.1, and nothing is said of TLS. */
  readonly url: string;
  /** Puts another certificate in. */
  present(certificate: Certificate): Promise<void>;
}

/**
 * A PostgreSQL of the test's own that takes TCP connections over TLS alone. Its user `certified`, who has the superuser's
 * password, must show a certificate of this authority.
 */
export async function startTlsPostgres(
  dataDir: string,
  authority: string,
  certificate: Certificate,
): Promise<TlsPostgres> {
  const server = await startPostgres({ dataDir, progress: () => {}, clock: systemClock });
  const { password } = new URL(server.url);
  const rules = [
    'hostssl all certified all scram-sha-256 clientcert=verify-ca',
    'hostssl all all all scram-sha-256',
  ];
  await execute(server.url, [
    ...keep('server.key', certificate.key),
    ...keep('server.crt', certificate.cert),
    ...keep('clients.crt', authority),
    ...keep('pg_hba.conf', rules.join('\n')),
    `create role certified superuser login password '${password}'`,
    'alter system set ssl = on',
    "alter system set ssl_ca_file = 'clients.crt'",
    'select pg_reload_conf()',
  ]);
  return {
    url: server.url,
    async present({ cert, key }) {
      const statements = [...keep('server.key', key), ...keep('server.crt', cert), 'select pg_reload_conf()'];
      await execute(`${server.url}?sslmode=no-verify`, statements);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Has the server, whose files may be another user's, write a file into its data directory. */
const keep = (name: string, text: string): readonly string[] => [
  `copy (select unnest(string_to_array('${text.trim()}', E'\\n'))) to program 'umask 077; cat > ${name}'`,
];

async function execute(connectionString: string, statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 10_000, query_timeout: 30_000 });
  client.on('error', () => {}); // A broken connection rejects its query too.
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
