import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { IntegrationType } from '../../gen/penstock/v1/integration_pb.ts';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { OutgoingRecord } from '../../src/bus/bus.ts';
import { reportNode } from '../../src/bus/node-reports.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { isValid } from '../../src/contract/validate.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { report } from '../helpers/reports.ts';
import { testDeps } from '../helpers/test-deps.ts';

const NODE = {
  serviceId: 'n',
  roles: [NodeRole.EXECUTOR, NodeRole.INGRESS],
  types: [IntegrationType.KAFKA],
  startTime: 1_234_567,
  deliveryDefaults: { retries: 7 },
};

/** What it finds out for each report. */
const TOLD = { figures: async () => ({ takenIn: 5n }), mqttWebSocketUrl: () => 'ws://n:8080/mqtt' };

/** A node on a Kafka that takes its time, and what it reported: whether it stops. */
function setUp() {
  const clock = new FakeClock();
  const said: boolean[] = [];
  const keys = new Set<string | null>();
  const kafka = { delay: 0, isAway: false };
  const bus = {
    async send(_: string, { key, value }: OutgoingRecord) {
      if (kafka.delay > 0) await clock.sleep(kafka.delay);
      if (kafka.isAway) throw new Error('Kafka is away');
      const record = fromBinary(UplinkRecordSchema, value!);
      assert.ok(isValid(UplinkRecordSchema, record));
      assert.ok(record.report.case === 'node');
      const { roles, types, startTime, stopping, version } = record.report.value;
      assert.deepEqual([roles, types, startTime], [NODE.roles, NODE.types, timestampFromMs(NODE.startTime)]);
      assert.match(version, /^\d+\.\d+\.\d+/);
      const { figures, mqttWebsocketUrl, deliveryDefaults } = record.report.value;
      assert.deepEqual([figures?.takenIn, mqttWebsocketUrl], [5n, 'ws://n:8080/mqtt']);
      assert.deepEqual([deliveryDefaults?.retries, deliveryDefaults?.ackStrategy], [7, 0]);
      said.push(stopping);
      keys.add(key);
    },
  };
  return {
    clock,
    said,
    keys,
    kafka,
    node: reportNode(NODE, { ...testDeps(), ...TOLD, clock, bus, topics: topicsOf('p') }),
  };
}

test('a node reports itself every 2 seconds under one key, and a last time when it stops', async () => {
  const { clock, said, keys, node } = setUp();
  await clock.advance(5000);
  assert.deepEqual(said, [false, false, false]);
  await node[Symbol.asyncDispose]();
  await clock.advance(5000);
  assert.deepEqual(said, [false, false, false, true]);
  assert.deepEqual([...keys], ['nodes']);
  assert.equal(clock.timers, 0);
});

test('one report at a time is on its way; when Kafka is back, they go on', async () => {
  const { clock, said, kafka, node } = setUp();
  await clock.advance(100);
  kafka.delay = 9000;
  kafka.isAway = true;
  await clock.advance(20_000);
  assert.ok(clock.timers <= 2);
  kafka.isAway = false;
  kafka.delay = 0;
  await clock.advance(10_000);
  assert.ok(said.length >= 3);
  await node[Symbol.asyncDispose]();
});

test('a stop does not wait for a Kafka that does not answer', async () => {
  const { clock, kafka, node } = setUp();
  await clock.advance(100);
  kafka.delay = 60_000;
  let stopped = false;
  void node[Symbol.asyncDispose]().then(() => {
    stopped = true;
  });
  await clock.advance(2000);
  assert.ok(stopped);
});

test('a report without an integration is one of a node about itself', () => {
  const startTime = timestampFromMs(1);
  const valid = (id: string, init = {}) => isValid(UplinkRecordSchema, report(id, init));
  assert.ok(valid('', { report: { case: 'node', value: { startTime } } }));
  assert.ok(!valid('', { report: { case: 'node', value: {} } }));
  assert.ok(!valid(''));
  assert.ok(!valid('no-uuid'));
  assert.ok(valid(randomUUID()));
});
