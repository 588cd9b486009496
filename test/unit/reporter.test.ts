import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction, UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { OutgoingRecord } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { isValid } from '../../src/contract/validate.ts';
import { Reporter } from '../../src/executor/uplink/reporter.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const ID = '5f0c3ad2-8df0-4fc1-a8a5-1c3f8ab7cf55';
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A reporter on a Kafka that fails as often as it is told, and its reports, by generation. */
function setUp() {
  const clock = new ManualClock();
  const deps = testDeps();
  const sent: bigint[] = [];
  const kafka = { failures: 0 };
  const bus = {
    async send(_: string, { key, value }: OutgoingRecord) {
      if (kafka.failures-- > 0) throw new Error('Kafka is away');
      const record = fromBinary(UplinkRecordSchema, value!);
      assert.ok(isValid(UplinkRecordSchema, record));
      assert.equal(key, ID);
      sent.push(record.generation);
    },
  };
  const reporter = new Reporter({
    ...deps,
    clock,
    bus,
    topics: topicsOf('p'),
    serviceId: 'ie-0',
    startTime: 0,
  });
  const subject = (generation: bigint) => ({ integrationId: ID, shard: 0, generation });
  const started = (generation: bigint) =>
    reporter.lifecycle(subject(generation), {
      action: LifecycleAction.STARTED,
      success: true,
      state: IntegrationState.ACTIVE,
      reason: '',
    });
  return { clock, metrics: deps.metrics, kafka, reporter, started, sent, subject };
}

test('a lifecycle report that Kafka does not take is sent again, unless a newer one takes its place', async () => {
  const { clock, kafka, started, sent } = setUp();
  kafka.failures = 2;
  started(1n);
  await settle();
  clock.advance(1000);
  await settle();
  started(2n);
  clock.advance(10_000);
  await settle();
  assert.deepEqual(sent, [2n]);
  assert.equal(clock.timers, 0);
});

test('a report that comes at any moment while another is sent is sent, too', async () => {
  for (let ticks = 0; ticks < 10; ticks++) {
    const { started, sent } = setUp();
    started(1n);
    for (let i = 0; i < ticks; i++) await null;
    started(2n);
    await settle();
    assert.equal(sent.at(-1), 2n, `after ${ticks} ticks`);
  }
});

test('an error report that Kafka does not take is dropped and counted', async () => {
  const { kafka, reporter, metrics, sent, subject } = setUp();
  kafka.failures = 1;
  reporter.tell(subject(1n), { case: 'error', value: { message: 'lost' } });
  reporter.tell(subject(2n), { case: 'error', value: { message: 'kept' } });
  await settle();
  assert.deepEqual(sent, [2n]);
  assert.deepEqual((await metrics.suppressed.get()).values[0], { labels: { kind: 'error' }, value: 1 });
});

test('a stop waits for the reports that are on their way, within limits', async () => {
  const { clock, reporter, started, sent } = setUp();
  started(1n);
  await reporter.stop(3000);
  assert.deepEqual(sent, [1n]);

  const away = setUp();
  away.kafka.failures = Number.POSITIVE_INFINITY;
  away.started(1n);
  const stopping = away.reporter.stop(3000);
  await settle();
  away.clock.advance(3000);
  await stopping;
  await settle();
  assert.equal(away.clock.timers + clock.timers, 0);
});
