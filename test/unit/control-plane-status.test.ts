import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { MqttConfigurationSchema } from '../../gen/penstock/v1/mqtt_pb.ts';
import type { Cluster } from '../../src/control-plane/status/cluster.ts';
import {
  type Reports,
  type ShardState,
  type ShardStatistics,
  statusOf,
} from '../../src/control-plane/status/status.ts';
import { clusterOf, knownNode } from '../helpers/nodes.ts';

const { ACTIVE, DISABLED, FAILED, PENDING, UNSPECIFIED } = IntegrationState;
const ID = '2c8a0b51-8a67-4f0e-8f9a-0d6a3c1f2b10';
const at = (seconds: number) => new Date(seconds * 1000);
const BOTH = clusterOf(knownNode('a'), knownNode('b'));
const GONE = knownNode('a', { isLiving: false, lastSeen: at(200) });

const stored = (enabled = true, maxExecutors = 1) => ({
  integration: create(IntegrationSchema, {
    id: ID,
    name: 'n',
    topicFilters: ['a'],
    enabled,
    generation: 3n,
    updateTime: timestampFromMs(50_000),
    delivery: { maxExecutors },
    configuration: { case: 'http', value: { restEndpointUrl: 'http://127.0.0.1:9/' } },
  }),
  enabledChangeTime: at(40),
  type: 'http',
  topicState: 'kept' as const,
  topicIncarnation: 1,
  sealed: [],
});

const shard = (more: Partial<ShardState> = {}): ShardState => ({
  integrationId: ID,
  shard: 0,
  serviceId: 'a',
  nodeStartTime: undefined,
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
  nodeStartTime: undefined,
  time: at(100),
  lag: 0n,
  oldestAgeMs: undefined,
  lastDeliveredTime: undefined,
  ...more,
});

function verdict(states: readonly ShardState[], of = stored(), cluster: Cluster = BOTH) {
  const { state, reason, since } = statusOf(of, { states, statistics: [] }, cluster);
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
  assert.deepEqual(verdict([shard({ shard: 1 })]), expected, 'a shard that is no more');
  const stopped = { ...expected, since: timestampFromDate(at(100)) };
  assert.deepEqual(verdict([shard({ state: UNSPECIFIED })]), stopped);
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

test('active: what its shards have to say all the same is told, each thing once', () => {
  const states = ['one', 'one', 'another', ''].map((reason, i) => shard({ shard: i, reason }));
  const { state, reason } = verdict(states, stored(true, 5));
  assert.deepEqual([state, reason], [ACTIVE, '4 of 5 shards run; one; another']);
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
  const { executors } = statusOf(stored(true, 3), { states, statistics }, BOTH);
  assert.deepEqual(
    executors.map((one) => [one.serviceId, one.state, one.reason, one.generation, one.oldestAge?.seconds]),
    [
      ['a', FAILED, 'bad', 3n, 1n],
      ['b', ACTIVE, '', 2n, undefined],
    ],
  );
});

test('figures are those of the executors that run the shards, the last delivery that of all', () => {
  const states = [shard({ serviceId: 'b' }), shard({ shard: 1 }), shard({ shard: 2 })];
  const statistics = [
    figures({ lag: 100n, lastDeliveredTime: at(95), time: at(110), oldestAgeMs: 70_000 }),
    figures({ lag: 1n, serviceId: 'b', lastDeliveredTime: at(80) }),
    figures({ lag: 10n, shard: 1 }),
    figures({ lag: 1000n, shard: 2 }),
  ];
  const of = (more: Partial<Reports>, cluster = BOTH) =>
    statusOf(stored(true, 2), { states, statistics, ...more }, cluster);
  const status = of({});
  assert.equal(status.lag, 11n);
  assert.deepEqual(status.lastDeliveredTime, timestampFromDate(at(95)));
  assert.deepEqual(
    status.executors.map(({ oldestAge }) => oldestAge),
    [undefined, undefined],
  );
  assert.equal(of({ statistics: [] }).lag, undefined);

  const halfGone = of({}, clusterOf(GONE, knownNode('b')));
  assert.deepEqual([halfGone.lag, halfGone.lastDeliveredTime], [1n, timestampFromDate(at(95))]);
  assert.equal(of({ states: states.map((one) => ({ ...one, state: UNSPECIFIED })) }).lag, undefined);

  const again = clusterOf(knownNode('a', { startTime: at(150) }), knownNode('b'));
  const run = [shard({ nodeStartTime: at(150) })];
  const lagOf = (nodeStartTime: Date) =>
    of({ states: run, statistics: [figures({ lag: 5n, nodeStartTime })] }, again).lag;
  assert.deepEqual([lagOf(at(149)), lagOf(at(150))], [undefined, 5n], 'not those of the run before');
});

const LAST_HEARD = 'executor a was last heard of at 1970-01-01T00:03:20.000Z';

test('an executor that is gone leaves the integration pending, with its name and since then', () => {
  const others = clusterOf(GONE, knownNode('b'));
  const expected = { state: PENDING, reason: LAST_HEARD, since: timestampFromDate(at(200)) };
  assert.deepEqual(verdict([shard()], stored(), others), expected);
  assert.deepEqual(verdict([shard({ state: FAILED, reason: 'no such host' })], stored(), others), expected);
  assert.deepEqual(statusOf(stored(), { states: [shard()], statistics: [] }, others).executors, []);

  const alone = verdict([shard()], stored(), clusterOf(GONE));
  assert.equal(alone.reason, `${LAST_HEARD}; no running executor serves type http: start one`);
  const stopped = clusterOf({ ...GONE, stopping: true }, knownNode('b'));
  assert.match(verdict([shard()], stored(), stopped).reason, /^executor a stopped at 1970/);
  const forgotten = verdict([shard()], stored(), clusterOf(knownNode('b')));
  assert.deepEqual(
    [forgotten.state, forgotten.reason],
    [PENDING, 'nothing was heard of executor a for days'],
  );
});

test('who took over from an executor that is gone speaks alone', () => {
  const heir = shard({ serviceId: 'b', time: at(90) });
  const { state, reason } = verdict(
    [shard({ time: at(300) }), heir],
    stored(),
    clusterOf(GONE, knownNode('b')),
  );
  assert.deepEqual([state, reason], [ACTIVE, '']);
});

test('of several shards, those of an executor that is gone are missing', () => {
  const states = [shard(), shard({ shard: 1, serviceId: 'b' })];
  const { state, reason } = verdict(states, stored(true, 2), clusterOf(GONE, knownNode('b')));
  assert.deepEqual([state, reason], [ACTIVE, `1 of 2 shards run; ${LAST_HEARD}`]);
});

test('what an executor said before it was started again does not count', () => {
  const again = clusterOf(knownNode('a', { startTime: at(150) }));
  const expected = {
    state: PENDING,
    reason: 'executor a was started again',
    since: timestampFromDate(at(150)),
  };
  assert.deepEqual(verdict([shard()], stored(), again), expected);
  assert.deepEqual(verdict([shard({ nodeStartTime: at(149), time: at(400) })], stored(), again), expected);
  // Its clock is ahead of the control plane's, which takes a report of the future for one of now.
  assert.equal(verdict([shard({ nodeStartTime: at(150), time: at(100) })], stored(), again).state, ACTIVE);
});

test('pending: no executor that runs serves the type', () => {
  const mqtt = stored();
  mqtt.integration.configuration = { case: 'mqtt', value: create(MqttConfigurationSchema, { host: 'h' }) };
  const reason = 'no running executor serves type mqtt: start one';
  assert.deepEqual(verdict([], mqtt), { state: PENDING, reason, since: timestampFromDate(at(50)) });
  assert.equal(
    verdict([], stored(), clusterOf(GONE)).reason,
    'no running executor serves type http: start one',
  );
});

test('pending: it uses what executors of this version step over', () => {
  const newer = stored();
  newer.integration.delivery!.ackStrategy = 99 as AckStrategy;
  const { state, reason } = verdict([shard({ generation: 2n })], newer);
  assert.deepEqual(
    [state, reason],
    [PENDING, 'it uses what only a newer version knows (delivery.ack_strategy)'],
  );
  assert.equal(verdict([shard()], newer).state, ACTIVE, 'on an executor of the newer version');
});

test('states and types of a newer version are shown as they came', () => {
  const newer = 9 as IntegrationState;
  const states = [shard({ state: newer, reason: 'warming up' })];
  const status = statusOf(stored(), { states, statistics: [] }, BOTH);
  assert.deepEqual([status.state, status.reason, status.executors[0]?.state], [PENDING, 'warming up', newer]);
  const unknown = stored();
  unknown.integration.configuration = { case: undefined };
  assert.equal(verdict([], unknown).reason, 'waiting for an executor: its type is of a newer version');
  assert.equal(verdict([shard()], unknown).state, ACTIVE);
});
