import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { isValid } from '../../src/contract/validate.ts';
import { downlinkRows, tombstones, withPublishedTime } from '../../src/control-plane/outbox/downlink.ts';
import { acknowledgedPrefix } from '../../src/control-plane/outbox/relay.ts';
import type { TopicState } from '../../src/control-plane/store/integrations.ts';

const topics = topicsOf('p');
const integration = (maxExecutors: number) =>
  create(IntegrationSchema, {
    id: 'i',
    generation: 7n,
    delivery: { maxExecutors },
    configuration: { case: 'http', value: {} },
  });
const stored = (maxExecutors: number, topicState: TopicState = 'kept') => ({
  integration: integration(maxExecutors),
  sealed: [],
  type: 'http',
  topicState,
  topicIncarnation: 2,
});
const summary = (rows: ReturnType<typeof downlinkRows>) =>
  rows.map(({ key, value }) => [key, value !== null]);

test('a record for each shard', () => {
  const rows = downlinkRows(topics, stored(3));
  assert.deepEqual(summary(rows), [
    ['i', true],
    ['i/1', true],
    ['i/2', true],
  ]);
  const record = fromBinary(DownlinkRecordSchema, withPublishedTime(rows[2]!.value!, 5000));
  assert.deepEqual([record.shard, record.integration?.generation, record.topicIncarnation], [2, 7n, 2]);
  assert.deepEqual(record.publishedTime, timestampFromMs(5000));
  assert.equal(rows[0]?.topic, 'p.ie.downlink.http');
});

test('every record tells that the topic is withdrawn, or gone', () => {
  const withoutTopic = (state: TopicState) =>
    downlinkRows(topics, stored(2, state)).map(
      ({ value }) => fromBinary(DownlinkRecordSchema, value!).withoutTopic,
    );
  assert.deepEqual(withoutTopic('kept'), [false, false]);
  for (const state of ['withdrawn', 'deleting', 'deleted'] as const) {
    assert.deepEqual(withoutTopic(state), [true, true]);
  }
});

test('of what goes it is told which generation, before its tombstone', () => {
  const [, ...gone] = downlinkRows(topics, stored(1), integration(3));
  assert.deepEqual(summary(gone), [
    ['i/1', true],
    ['i/1', false],
    ['i/2', true],
    ['i/2', false],
  ]);
  const deleted = tombstones(topics, stored(2));
  assert.deepEqual(summary(deleted), [
    ['i', true],
    ['i', false],
    ['i/1', true],
    ['i/1', false],
  ]);
  for (const { value } of [gone[0]!, deleted[0]!]) {
    const record = fromBinary(DownlinkRecordSchema, withPublishedTime(value!, 5000));
    assert.ok(isValid(DownlinkRecordSchema, record));
    assert.deepEqual([record.integration, record.gone?.generation], [undefined, 7n]);
  }
});

test('of each integration only what comes before its first failure is published', () => {
  const rows = ['a', 'b', 'a', 'b', 'a'].map((integrationId, seq) => ({
    ...downlinkRows(topics, stored(1))[0]!,
    integrationId,
    seq: String(seq),
    destination: 'x/0',
  }));
  const published = acknowledgedPrefix(rows, (index) => index !== 2);
  assert.deepEqual(
    published.map(({ seq }) => seq),
    ['0', '1', '3'],
  );
});
