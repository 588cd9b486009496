import { Client } from 'pg';

/** A connection of the test's own: `await using client = …`. */
export async function connectedClient(connectionString: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 10_000, query_timeout: 30_000 });
  client.on('error', () => {}); // A broken connection rejects its query too.
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}
