import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topicsOf } from '../../src/bus/topics.ts';
import { startTopicUpkeep } from '../../src/control-plane/topics/topic-upkeep.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const LOOK = 600_000;
const topics = topicsOf('p', 400_000_000);
const OURS = [topics.uplink.name, topics.messages('a').name, topics.deadLetters('a').name];

/** A sweep over a Kafka of so many nodes, with this many replicas of each topic, and what it logs. */
function setUp(nodes: number, replicas: number, names: readonly string[]) {
  const clock = new FakeClock();
  const kafka = {
    nodes,
    replicas,
    asked: [] as string[][],
    bounded: [] as [string[], object][],
    retained: [] as [string[], object][],
    refuses: false,
  };
  const lines: string[] = [];
  const bus = {
    listTopics: async () => names,
    async keepReplicas(topics: readonly string[]) {
      kafka.asked.push([...topics]);
      if (kafka.refuses) throw new Error('a policy refuses it');
      return { nodes: kafka.nodes, replicas: new Map(topics.map((name) => [name, kafka.replicas])) };
    },
    async keepBounds(topics: readonly string[], bounds: object) {
      kafka.bounded.push([[...topics], bounds]);
    },
    async keepRetention(topics: readonly string[], retention: object) {
      kafka.retained.push([[...topics], retention]);
    },
  };
  const logger = createLogger('warn', clock, (line) => lines.push(line));
  const deps = { ...testDeps(), clock, logger, bus, topics };
  return { ...deps, kafka, lines, sweep: startTopicUpkeep(deps) };
}

test('topics with one replica on a Kafka of several nodes are warned of once, and no more when they have others', async () => {
  const { clock, kafka, lines, warnings, sweep } = setUp(3, 1, [...OURS, 'other', 'p2.ie.uplink']);
  await clock.advance(2 * LOOK);
  assert.deepEqual(warnings.all(), [
    'p.ie.uplink and 2 other topics are on one node of a Kafka of 3: with that node, what was acknowledged is lost; ' +
      'set PENSTOCK_KAFKA_REPLICATION=3 for new topics, and give replicas to those that exist (kafka-reassign-partitions)',
  ]);
  assert.deepEqual(kafka.asked[0], OURS);
  assert.equal(lines.length, 1);
  kafka.replicas = 3;
  await clock.advance(LOOK);
  assert.deepEqual(warnings.all(), []);
  await sweep[Symbol.asyncDispose]();
});

test('a Kafka of one node can keep nothing on others', async () => {
  const { clock, lines, warnings, sweep } = setUp(1, 1, OURS);
  await clock.advance(LOOK);
  assert.deepEqual([warnings.all(), lines], [[], []]);
  await sweep[Symbol.asyncDispose]();
});

test('topics of dead letters that are there are bounded as new ones are', async () => {
  const { clock, kafka, sweep } = setUp(1, 1, [...OURS, 'other', 'p2.dlq.ie.a']);
  await clock.advance(1);
  const { name, config } = topics.deadLetters('a');
  const bounds = { 'retention.bytes': '400000000', 'segment.bytes': config['segment.bytes'] };
  assert.deepEqual(kafka.bounded, [[[name], bounds]]);
  await sweep[Symbol.asyncDispose]();
});

test('a topic of sessions that is there is kept as long as a new one', async () => {
  const { clock, kafka, sweep } = setUp(1, 1, [...OURS, topics.sessions.name, 'p2.ie.sessions']);
  await clock.advance(1);
  const retention = { 'cleanup.policy': 'compact,delete', 'retention.ms': '86400000' };
  assert.deepEqual(kafka.retained, [[['p.ie.sessions'], retention]]);
  const { config } = topics.sessions;
  assert.deepEqual({ ...config, ...retention }, config);
  await sweep[Symbol.asyncDispose]();
});

test('dead letters are bounded also where Kafka does not let replicas be kept', async () => {
  const { clock, kafka, sweep, lines } = setUp(3, 3, OURS);
  kafka.refuses = true;
  await clock.advance(1);
  assert.equal(kafka.bounded.length, 1);
  await clock.advance(LOOK);
  assert.match(lines.join(), /a policy refuses it/);
  await sweep[Symbol.asyncDispose]();
});

test('Kafka is asked about some hundred topics at a time', async () => {
  const names = Array.from({ length: 1200 }, (_, i) => topics.messages(String(i)).name);
  const { clock, kafka, sweep } = setUp(3, 3, names);
  await clock.advance(1);
  assert.deepEqual(
    kafka.asked.map(({ length }) => length),
    [500, 500, 200],
  );
  await sweep[Symbol.asyncDispose]();
});
