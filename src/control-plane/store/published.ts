import { fromBinary } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Queries } from './database.ts';

/** What Kafka should have of an integration. */
export interface PublishedState {
  /** The newest that Kafka has acknowledged in full; of a deleted one its last. */
  readonly generation: bigint;
  /** When that was made, in milliseconds; undefined: it is deleted. */
  readonly updateTime: number | undefined;
  readonly isDeleted: boolean;
  /** The ids of the keys that its secrets are sealed with, each once, in their order; undefined: not known. */
  readonly secretKeys: readonly string[] | undefined;
  /** Some of it is still to be published. */
  readonly isPending: boolean;
}

/** The integrations of which Kafka acknowledged the newest generation. */
export async function publishedIds(queries: Queries): Promise<string[]> {
  const sql = 'select id from integrations where published_generation >= generation';
  return (await queries.query<{ id: string }>(sql)).map(({ id }) => id);
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Of those that are stored, and of those that were deleted in the last hours. */
export async function publishedStates(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, PublishedState>> {
  const states = new Map<string, PublishedState>();
  const known = ids.filter((id) => UUID.test(id));
  const deleted = await queries.query<{ id: string; integration: Uint8Array; pending: boolean }>(
    `select id, integration, exists (select from outbox as o where o.integration_id = d.id) as pending
     from deleted_integrations as d where id = any($1)`,
    [known],
  );
  for (const { id, integration, pending } of deleted) {
    const { generation } = fromBinary(IntegrationSchema, integration);
    const gone = { updateTime: undefined, isDeleted: true, secretKeys: undefined };
    states.set(id, { generation, ...gone, isPending: pending });
  }
  const stored = await queries.query<{
    id: string;
    generation: string;
    update_time: Date;
    keys: string[] | null;
    pending: boolean;
  }>(
    `select id, published_generation as generation, update_time, secret_keys as keys,
       published_generation < generation or exists (select from outbox as o where o.integration_id = i.id) as pending
     from integrations as i where id = any($1)`,
    [known],
  );
  for (const { id, generation, update_time, keys, pending } of stored) {
    const now = { generation: BigInt(generation), updateTime: update_time.getTime(), isDeleted: false };
    states.set(id, { ...now, secretKeys: keys ?? undefined, isPending: pending });
  }
  return states;
}
