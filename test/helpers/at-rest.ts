import type { Bus } from '../../src/bus/bus.ts';
import { follow } from './follow.ts';
import { connectedClient } from './postgres-client.ts';

/** All that every table of a database holds, by the names of the tables. */
export async function tableContents(postgresUrl: string): Promise<ReadonlyMap<string, Buffer>> {
  await using client = await connectedClient(postgresUrl);
  const { rows } = await client.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public'",
  );
  const contents = new Map<string, Buffer>();
  for (const { name } of rows) {
    const all = await client.query<Record<string, unknown>>(`select * from "${name}"`);
    const values = all.rows.flatMap((row) => Object.values(row));
    contents.set(name, Buffer.concat(values.map(bytesOf)));
  }
  return contents;
}

const bytesOf = (value: unknown) =>
  Buffer.isBuffer(value) ? value : Buffer.from(`${JSON.stringify(value)}\n`);

/** All that was written to topics, by their names. */
export async function topicContents(bus: Bus, prefix: string): Promise<ReadonlyMap<string, Buffer>> {
  const names = (await bus.listTopics()).filter((name) => name.startsWith(`${prefix}.`));
  const contents = new Map<string, Buffer>(names.map((name) => [name, Buffer.alloc(0)]));
  const followed = await follow(bus, names, ({ topic, key, value }) => {
    const parts = [contents.get(topic)!, Buffer.from(key ?? ''), Buffer.from(value ?? [])];
    contents.set(topic, Buffer.concat(parts));
  });
  followed[Symbol.dispose]();
  return contents;
}
