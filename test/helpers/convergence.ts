import { create, equals, fromBinary } from '@bufbuild/protobuf';
import { type DownlinkRecord, DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { Topics } from '../../src/bus/topics.ts';
import { TYPES } from '../../src/contract/integration-type.ts';
import { shardsOf } from '../../src/control-plane/downlink.ts';
import type { Queries } from '../../src/control-plane/store/database.ts';
import { listIntegrations } from '../../src/control-plane/store/integrations.ts';

/** What a node that begins now finds on the downlink topics, by key, read from their beginnings. */
export async function restored(bus: Bus, topics: Topics): Promise<Map<string, DownlinkRecord>> {
  const found = new Map<string, DownlinkRecord>();
  const names = await bus.listTopics();
  for (const topic of TYPES.map((type) => topics.downlink(type).name).filter((name) =>
    names.includes(name),
  )) {
    await bus.read({
      topic,
      ranges: await bus.offsets(topic),
      async eachBatch(records) {
        for (const { key, value } of records) {
          if (value === null) found.delete(key!);
          else found.set(key!, fromBinary(DownlinkRecordSchema, Uint8Array.from(value)));
        }
      },
    });
  }
  return found;
}

/** In what the downlink topics differ from PostgreSQL, a line each: empty when they say the same. */
export async function differences(db: Queries, bus: Bus, topics: Topics): Promise<string[]> {
  const onKafka = await restored(bus, topics);
  const stored = await listIntegrations(db, {});
  const wrong = stored.flatMap(({ integration, topicState }) =>
    Array.from({ length: shardsOf(integration) }, (_, shard) => {
      const key = shard === 0 ? integration.id : `${integration.id}/${shard}`;
      const record = onKafka.get(key);
      onKafka.delete(key);
      if (!record) return [`${key} is missing`];
      const { publishedTime: _published, ...rest } = record;
      const wanted = { integration, shard, withoutTopic: topicState !== 'kept' };
      const isSame = equals(
        DownlinkRecordSchema,
        create(DownlinkRecordSchema, rest),
        create(DownlinkRecordSchema, wanted),
      );
      return isSame
        ? []
        : [`${key} is of generation ${record.integration?.generation}, not ${integration.generation}`];
    }).flat(),
  );
  return [...wrong, ...[...onKafka.keys()].map((key) => `${key} is still there`)];
}
