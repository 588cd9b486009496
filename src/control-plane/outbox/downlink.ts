import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { DownlinkRecordSchema } from '../../../gen/penstock/v1/downlink_pb.ts';
import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Topics } from '../../bus/topics.ts';
import type { StoredIntegration } from '../store/integrations.ts';
import type { OutboxRow } from '../store/outbox.ts';

/** What of an integration is told to executors and ingress. */
type Downlinked = Pick<
  StoredIntegration,
  'integration' | 'sealed' | 'type' | 'topicState' | 'topicIncarnation'
>;

/** Over how many executors it may spread: its shards, and the partitions of its message topic. */
export function shardsOf(integration: Integration): number {
  return integration.delivery?.maxExecutors ?? 1;
}

/** The records that make this known; that shards are gone which `previous` had more. */
export function downlinkRows(
  topics: Topics,
  { integration, sealed, type, topicState, topicIncarnation }: Downlinked,
  previous = integration,
): OutboxRow[] {
  const withoutTopic = topicState !== 'kept';
  const shards = shardsOf(integration);
  const records = shardNumbers(shards).map((shard) => ({
    ...row(topics, { integration, type }, shard),
    value: toBinary(
      DownlinkRecordSchema,
      create(DownlinkRecordSchema, {
        integration,
        sealed: [...sealed],
        shard,
        withoutTopic,
        topicIncarnation,
      }),
    ),
  }));
  const gone = shardNumbers(shardsOf(previous)).filter((shard) => shard >= shards);
  return [...records, ...gone.flatMap((shard) => goneRows(row(topics, { integration, type }, shard)))];
}

/** The records that make a deletion known. */
export function tombstones(topics: Topics, stored: Downlinked): OutboxRow[] {
  return shardNumbers(shardsOf(stored.integration)).flatMap((shard) => goneRows(row(topics, stored, shard)));
}

/** The records that nothing is under the row's key any more: of which generation, and the tombstone. */
export function goneRows(row: OutboxRow): OutboxRow[] {
  const { generation } = row;
  const value = toBinary(DownlinkRecordSchema, create(DownlinkRecordSchema, { gone: { generation } }));
  return [
    { ...row, value },
    { ...row, value: null },
  ];
}

/** The value as it is sent: encoded messages that are joined are merged, so it is not decoded for that. */
export function withPublishedTime(value: Uint8Array, now: number): Uint8Array {
  const time = create(DownlinkRecordSchema, { publishedTime: timestampFromMs(now) });
  return Buffer.concat([value, toBinary(DownlinkRecordSchema, time)]);
}

function row(
  topics: Topics,
  { integration: { id, generation }, type }: Pick<Downlinked, 'integration' | 'type'>,
  shard: number,
): OutboxRow {
  return {
    integrationId: id,
    generation,
    topic: topics.downlink(type).name,
    key: keyOf(id, shard),
    value: null,
  };
}

const keyOf = (id: string, shard: number) => (shard === 0 ? id : `${id}/${shard}`);

/** The keys of its records. */
export const shardKeys = (integration: Integration): string[] =>
  shardNumbers(shardsOf(integration)).map((shard) => keyOf(integration.id, shard));

const shardNumbers = (count: number) => Array.from({ length: count }, (_, shard) => shard);
