import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import type { Claim, FeedOptions } from '../../src/bus/bus.ts';
import { integrationOf, KAFKA_AWAY, ManagerWorld } from '../helpers/manager-world.ts';
import { keyRing } from '../helpers/secret-keys.ts';

const { ACTIVE, FAILED } = IntegrationState;
const NO_HANDLER = { case: undefined };

const pauses = (times: readonly number[]) => times.slice(1).map((time, i) => time - times[i]!);

test('a start that fails because of Kafka is soon tried again, whatever is set, and told once', async () => {
  for (const enabled of [true, false]) {
    const world = new ManagerWorld({ restart: { enabled, maxPause: 300_000 } });
    world.kafka.isAway = true;
    world.want('a');
    await world.clock.advance(600_000);
    assert.deepEqual(pauses(world.tries).slice(0, 5), [500, 1000, 2000, 2500, 2500]);
    assert.equal(Math.max(...pauses(world.tries)), 2500);
    assert.deepEqual(world.told('a'), [[FAILED, `Kafka does not give its messages: ${KAFKA_AWAY}`]]);
    world.want('a', { generation: 2n, name: 'changed' });
    await world.clock.advance(10_000);
    assert.equal(world.told('a').length, 2, 'told of the new generation');
    world.kafka.isAway = false;
    await world.clock.advance(5000);
    assert.deepEqual(world.told('a').slice(2), [[ACTIVE, 'started after failures']]);
    await world.stop();
  }
});

test('a start that fails otherwise is tried with pauses that double up to what is set', async () => {
  const world = new ManagerWorld({ restart: { enabled: true, maxPause: 10_000 } });
  world.want('a', { configuration: NO_HANDLER });
  await world.clock.advance(60_000);
  const times = world.reports.map(({ at }) => at);
  assert.deepEqual(pauses(times).slice(0, 7), [500, 1000, 2000, 4000, 5000, 5000, 5000]);
  await world.stop();
});

test('without retries, a start that fails otherwise waits for a change', async () => {
  const world = new ManagerWorld({ restart: { enabled: false, maxPause: 10_000 } });
  world.want('a', { configuration: NO_HANDLER });
  await world.clock.advance(600_000);
  assert.equal(world.reports.length, 1);
  world.want('a', { generation: 2n });
  await world.clock.advance(1000);
  assert.deepEqual(world.told('a').at(-1), [ACTIVE, '']);
  await world.stop();
});

test('messages that Kafka has and does not give show in the state of their integration', async () => {
  const world = new ManagerWorld();
  world.kafka.end = 1000;
  world.want('a');
  await world.clock.advance(10_000);
  world.kafka.isAway = true;
  await world.clock.advance(100_000);
  assert.deepEqual(world.told('a'), [
    [ACTIVE, ''],
    [FAILED, `1000 messages wait in Kafka and do not come: ${KAFKA_AWAY}`],
  ]);
  await world.stop();
});

test('so many start at a time, and those that hang keep the others waiting for a second at most', async () => {
  const world = new ManagerWorld();
  const ids = Array.from({ length: 1000 }, (_, i) => `hangs-${i}`);
  world.kafka.hangs = (topic) => topic.includes('hangs');
  for (const id of ids) world.want(id);
  world.want('healthy');
  await world.clock.advance(999);
  assert.equal(world.tries.length, 256);
  await world.clock.advance(2001);
  assert.equal(world.tries.length, 1001);
  assert.deepEqual(world.told('healthy'), [[ACTIVE, '']]);
});

test('an integration whose key is missing starts when it is there, and a change of its secret alone starts it anew', async () => {
  const withSecret = (value: string) => ({
    configuration: {
      case: 'http' as const,
      value: { restEndpointUrl: 'http://127.0.0.1:9', secretHeaders: [{ name: 'x', value }] },
    },
  });
  const rings = { now: keyRing('other') };
  const world = new ManagerWorld({}, () => rings.now);
  world.wantSealed('a', withSecret('one'), keyRing('k'));
  world.want('b');
  await world.clock.advance(5000);
  assert.deepEqual(world.told('b'), [[ACTIVE, '']]);
  const failures = world.told('a');
  assert.ok(failures.length > 1, 'it is tried again and again');
  for (const [state, reason] of failures) {
    assert.equal(state, FAILED);
    assert.match(
      reason,
      /^http\.secret_headers\["x"\]\.value: cannot be decrypted, the key "k" .* is missing/,
    );
  }
  rings.now = keyRing('k');
  await world.clock.advance(5000);
  assert.deepEqual(world.told('a').at(-1), [ACTIVE, 'started after failures']);
  const starts = world.tries.length;
  world.wantSealed('a', { ...withSecret('one'), generation: 2n, description: 'd' }, keyRing('k'));
  await world.clock.advance(5000);
  assert.equal(world.tries.length, starts, 'sealed anew, it is the same');
  world.wantSealed('a', { ...withSecret('two'), generation: 3n }, keyRing('k'));
  await world.clock.advance(5000);
  assert.equal(world.tries.length, starts + 1);
  await world.stop();
});

test('what runs since its key came goes on when its secrets are sealed with a key that is missing', async () => {
  const init = {
    configuration: {
      case: 'http' as const,
      value: { restEndpointUrl: 'http://127.0.0.1:9', secretHeaders: [{ name: 'x', value: 'one' }] },
    },
  };
  const rings = { now: keyRing('other') };
  const world = new ManagerWorld({}, () => rings.now);
  world.wantSealed('a', init, keyRing('k'));
  await world.clock.advance(5000);
  rings.now = keyRing('k');
  await world.clock.advance(5000);
  const told = world.told('a');
  assert.deepEqual(told.at(-1), [ACTIVE, 'started after failures']);
  world.wantSealed('a', init, keyRing('new'));
  await world.clock.advance(5000);
  assert.deepEqual(world.told('a'), told);
  await world.stop();
});

test('a topic that was made anew is a change, whatever else stayed as it was', async () => {
  const world = new ManagerWorld();
  const startsAfter = async (generation: bigint, topicIncarnation: number) => {
    world.want('a', { generation }, topicIncarnation);
    await world.clock.advance(1000);
    return world.tries.length;
  };
  assert.equal(await startsAfter(1n, 1), 1);
  assert.equal(await startsAfter(2n, 1), 1);
  assert.equal(await startsAfter(3n, 2), 2);
  await world.stop();
});

test('what starts just as its partition was lost and gained again is started anew, for what it has now', async () => {
  const world = new ManagerWorld();
  const commits: string[] = [];
  const claim = (member: string): Claim => ({
    topic: 'downlink',
    partition: 0,
    member,
    isOver: false,
    isHeld: () => true,
    async commit() {
      commits.push(member);
    },
  });
  const wish = (member: string) => ({
    integration: integrationOf('a'),
    sealed: [],
    shard: 0,
    topicIncarnation: 1,
    claim: claim(member),
  });
  const { bus } = world.deps;
  const { feed } = bus;
  Object.assign(bus, {
    feed(options: FeedOptions) {
      bus.feed = feed; // once: it is about to have started
      world.manager.want('a', undefined);
      world.manager.want('a', wish('m2'));
      return feed(options);
    },
  });
  world.manager.want('a', wish('m1'));
  await world.clock.advance(1000);
  assert.equal(commits[0], 'm1');
  assert.equal(commits.at(-1), 'm2');
  await world.stop();
});
