import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { type ShardState, type ShardStatistics, statusOf } from '../../src/control-plane/status.ts';

const { ACTIVE, DISABLED, FAILED, PENDING, UNSPECIFIED } = IntegrationState;
const ID = '2c8a0b51-8a67-4f0e-8f9a-0d6a3c1f2b10';
const at = (seconds: number) => new Date(seconds * 1000);

const stored = (enabled = true, maxExecutors = 1) => ({
  integration: create(IntegrationSchema, {
    id: ID,
    enabled,
    generation: 3n,
    updateTime: timestampFromMs(50_000),
    delivery: { maxExecutors },
    configuration: { case: 'http', value: {} },
  }),
  enabledChangeTime: at(40),
  type: 'http',
  topicState: 'kept' as const,
});

const shard = (more: Partial<ShardState> = {}): ShardState => ({
  integrationId: ID,
  shard: 0,
  serviceId: 'a',
  generation: 3n,
  time: at(100),
  state: ACTIVE,
  reason: '',
  since: more.time ?? at(100),
  ...more,
});

const figures = (more: Partial<ShardStatistics> = {}): ShardStatistics => ({
  integrationId: ID,
  shard: 0,
  serviceId: 'a',
  time: at(100),
  lag: 0n,
  oldestAgeMs: undefined,
  lastDeliveredTime: undefined,
  ...more,
});

function verdict(states: readonly ShardState[], of = stored()) {
  const { state, reason, since } = statusOf(of, { states, statistics: [] });
  return { state, reason, since };
}

test('disabled: whatever executors say', () => {
  const expected = { state: DISABLED, reason: '', since: timestampFromDate(at(40)) };
  assert.deepEqual(verdict([shard()], stored(false)), expected);
});

test('pending: nobody runs the current generation', () => {
  const reason = 'waiting for an executor of type http';
  const expected = { state: PENDING, reason, since: timestampFromDate(at(50)) };
  assert.deepEqual(verdict([]), expected);
  assert.deepEqual(verdict([shard({ generation: 2n })]), expected);
  assert.deepEqual(verdict([shard({ state: UNSPECIFIED })]), expected);
  assert.deepEqual(verdict([shard({ shard: 1 })]), expected, 'a shard that is no more');
});

test('pending: the reason of an executor that says it waits', () => {
  const states = [shard({ state: PENDING, reason: 'connecting' })];
  assert.deepEqual(verdict(states), {
    state: PENDING,
    reason: 'connecting',
    since: timestampFromDate(at(100)),
  });
});

test('failed: one shard is enough, the first one speaks', () => {
  const states = [
    shard({ shard: 0 }),
    shard({ shard: 1, state: FAILED, reason: 'second', time: at(120) }),
    shard({ shard: 2, state: FAILED, reason: 'first', time: at(110) }),
  ];
  const expected = { state: FAILED, reason: 'first', since: timestampFromDate(at(110)) };
  assert.deepEqual(verdict(states, stored(true, 3)), expected);
});

test('active: since the last of its shards runs', () => {
  const states = [shard(), shard({ shard: 1, serviceId: 'b', time: at(130) })];
  const since = timestampFromDate(at(130));
  assert.deepEqual(verdict(states, stored(true, 2)), { state: ACTIVE, reason: '', since });
  assert.deepEqual(verdict(states, stored(true, 3)), { state: ACTIVE, reason: '2 of 3 shards run', since });
});

test('an executor that died without a word gives way to the one that took over', () => {
  const dead = shard({ state: FAILED, reason: 'old' });
  const heir = shard({ serviceId: 'b', time: at(101) });
  assert.equal(verdict([dead, heir]).state, ACTIVE);
  assert.equal(verdict([heir, dead]).state, ACTIVE);
  const stopped = shard({ state: UNSPECIFIED, time: at(200) });
  assert.equal(verdict([stopped, heir]).state, ACTIVE, 'a stop there is no stop here');
});

test('an executor is listed once, by its worst shard, with the generation it runs', () => {
  const states = [
    shard({ shard: 0 }),
    shard({ shard: 1, state: FAILED, reason: 'bad' }),
    shard({ shard: 2, serviceId: 'b', generation: 2n }),
  ];
  const statistics = [figures({ oldestAgeMs: 10 }), figures({ shard: 1, oldestAgeMs: 1500 })];
  const { executors } = statusOf(stored(true, 3), { states, statistics });
  assert.deepEqual(
    executors.map((one) => [one.serviceId, one.state, one.reason, one.generation, one.oldestAge?.seconds]),
    [
      ['a', FAILED, 'bad', 3n, 1n],
      ['b', ACTIVE, '', 2n, undefined],
    ],
  );
});

test('lag is that of the newest figures of each shard, the last delivery that of all', () => {
  const statistics = [
    figures({ lag: 100n, time: at(90), lastDeliveredTime: at(95) }),
    figures({ lag: 1n, serviceId: 'b', lastDeliveredTime: at(80) }),
    figures({ lag: 10n, shard: 1 }),
    figures({ lag: 1000n, shard: 2 }),
  ];
  const status = statusOf(stored(true, 2), { states: [], statistics });
  assert.equal(status.lag, 11n);
  assert.deepEqual(status.lastDeliveredTime, timestampFromDate(at(95)));
  assert.equal(statusOf(stored(), { states: [], statistics: [] }).lag, undefined);
});
