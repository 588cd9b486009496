import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { KafkaConfiguration, KafkaConfigurationSchema } from '../../gen/penstock/v1/kafka_pb.ts';
import { DELIVERED, type Outbound } from '../../src/executor/handlers/handler.ts';
import { bound, connected, contextOf, failureOf, never, outbound } from '../helpers/handler.ts';
import { consoleConsumer, consoleProducer } from '../helpers/kafka-tools.ts';
import { kafkaTopic } from '../helpers/kafka-topic.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type Config = Exclude<MessageInitShape<typeof KafkaConfigurationSchema>, KafkaConfiguration>;
type Topic = Awaited<ReturnType<typeof kafkaTopic>>;

const at = ({ name, broker }: Pick<Topic, 'name' | 'broker'>, config: Config = {}) => ({
  case: 'kafka' as const,
  value: { bootstrapServers: [broker], topic: name, sendOnlyMsgPayload: true, ...config },
});

function message(init: MessageInitShape<typeof EnvelopeSchema>): Outbound {
  const envelope = create(EnvelopeSchema, { topicName: 'a/b', ...init });
  return { envelope, partition: 3, offset: 17, key: null };
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

test('a record goes to the partition that the Java producer writes it to', async (t) => {
  const [java, ours] = [await kafkaTopic(t, 7), await kafkaTopic(t, 7)];
  const keys = [...range(60).map((i) => `client-${i}`), 'grüße', '🌊', ' ', 'x'.repeat(300)];
  await consoleProducer(
    java.broker,
    java.name,
    keys.map((key) => `${key}\tvalue`),
  );
  const handler = await connected(t, at(ours, { key: '${clientId}' }));
  await handler.deliver(
    keys.map((clientId) => message({ clientId })),
    never,
  );
  const partitions = async (topic: Topic) =>
    new Map((await topic.read(keys.length)).map(({ key, partition }) => [key, partition]));
  const [expected, found] = [await partitions(java), await partitions(ours)];
  assert.equal(expected.size, keys.length);
  assert.deepEqual(new Map([...found].toSorted()), new Map([...expected].toSorted()));
  assert.equal(new Set(found.values()).size, 7);
});

test('records without a key are spread evenly over the partitions', async (t) => {
  const topic = await kafkaTopic(t, 4);
  const handler = await connected(t, at(topic));
  await handler.deliver(
    range(200).map((i) => outbound(`${i}`)),
    never,
  );
  const records = await topic.read(200);
  assert.ok(records.every(({ key }) => key === null));
  const counts = Map.groupBy(records, ({ partition }) => partition);
  assert.deepEqual(
    [...counts.values()].map(({ length }) => length),
    [50, 50, 50, 50],
  );
});

test('a record has its headers in order, with repeats, and counts hops', async (t) => {
  const topic = await kafkaTopic(t);
  const config: Config = {
    kafkaHeaders: [
      { key: 'z', value: 'fixed' },
      { key: '1', value: '${topic}' },
      { key: 'z', value: '${topic[1]} of ${integrationName}' },
    ],
    forwardUserProperties: true,
  };
  const handler = await connected(t, at(topic, config));
  const userProperties = [
    ['b', '1'],
    ['a', '2'],
    ['b', '3'],
    ['ü', 'ö'],
  ].map(([key, value]) => ({ key: key!, value: value! }));
  assert.deepEqual(
    await handler.deliver([message({ userProperties, hopCount: 2, payload: Buffer.from('v') })], never),
    [DELIVERED],
  );
  const shown = { 'print.headers': 'true', 'headers.separator': '|' };
  assert.deepEqual(await consoleConsumer(topic.broker, topic.name, 1, shown), [
    'z:fixed|1:a/b|z:b of an integration|b:1|a:2|b:3|ü:ö|penstock-hops:3\tv',
  ]);
});

test('header values are written in the configured character set, the hop count in ASCII', async (t) => {
  const topic = await kafkaTopic(t);
  const kafkaHeaders = [{ key: 'h', value: 'aü' }];
  const handler = await connected(t, at(topic, { kafkaHeaders, kafkaHeadersCharset: 'UTF-16' }));
  await handler.deliver([outbound('x')], never);
  const [record] = await topic.read(1);
  assert.deepEqual(record?.headers.h, Buffer.from('feff006100fc', 'hex'));
  assert.deepEqual(record?.headers['penstock-hops'], Buffer.from('1'));
});

test('the value is the payload byte for byte, the envelope, or what the template says', async (t) => {
  const payload = Buffer.from(range(256));
  const delivered = async (config: Config, init: MessageInitShape<typeof EnvelopeSchema>) => {
    const topic = await kafkaTopic(t);
    const handler = await connected(t, at(topic, config));
    assert.deepEqual(await handler.deliver([message(init)], never), [DELIVERED]);
    const [record] = await topic.read(1);
    return record!.value!;
  };
  assert.deepEqual(await delivered({}, { payload }), payload);
  assert.deepEqual(await delivered({}, {}), Buffer.alloc(0));
  const envelope = JSON.parse(
    String(await delivered({ sendOnlyMsgPayload: false }, { payload, clientId: 'c' })),
  );
  assert.equal(envelope.payload, payload.toString('base64'));
  assert.equal(envelope.clientId, 'c');
  const bodyTemplate = '{"who": "${clientId}", "value": ${payload.v}}';
  const json = Buffer.from('{"v": [1, "2"]}');
  const value = await delivered(
    { sendOnlyMsgPayload: false, bodyTemplate },
    { payload: json, clientId: '"c"' },
  );
  assert.deepEqual(JSON.parse(String(value)), { who: '"c"', value: [1, '2'] });
});

test('a message without the key that the template asks for fails alone', async (t) => {
  const topic = await kafkaTopic(t);
  const handler = await connected(t, at(topic, { key: '${payload.id}' }));
  const outcomes = await handler.deliver(
    [outbound('{"id": 1}'), outbound('{}'), outbound('{"id": 2}')],
    never,
  );
  assert.deepEqual([outcomes[0], outcomes[2]], [DELIVERED, DELIVERED]);
  const { failureClass, reason } = failureOf(outcomes[1]);
  assert.equal(failureClass, FailureClass.UNENCODABLE);
  assert.match(reason, /payload\.id/);
  assert.deepEqual(
    (await topic.read(2)).map(({ key }) => key),
    ['1', '2'],
  );
});

test('a topic that is missing is waited for; a check says so without refusing', async (t) => {
  const topic = await kafkaTopic(t, 0);
  const check = () => bound(at(topic)).check(contextOf(), never);
  const before = await check();
  assert.equal(before.reachable, true);
  assert.match(before.message, new RegExp(`topic ${topic.name} does not exist.*: create it`));
  const handler = await connected(t, at(topic));
  const deliver = async () => (await handler.deliver([outbound('hello')], never))[0];
  const { failureClass, reason } = failureOf(await deliver());
  assert.equal(failureClass, FailureClass.UNAVAILABLE);
  assert.match(reason, new RegExp(`topic ${topic.name}: .*: create the topic`));
  await topic.create(2);
  await waitUntil('it is delivered', async () => (await deliver()) === DELIVERED);
  assert.match((await check()).message, /has 2 partitions/);
});

test('a topic that is made anew with fewer partitions gets what comes then', async (t) => {
  const topic = await kafkaTopic(t, 6);
  const handler = await connected(t, at(topic, { key: '${clientId}' }));
  const pack = range(50).map((i) => message({ clientId: `c${i}` }));
  assert.ok((await handler.deliver(pack, never)).every((outcome) => outcome === DELIVERED));
  await topic.delete();
  await waitUntil('it is missed', async () =>
    (await handler.deliver(pack, never)).every((outcome) => outcome !== DELIVERED),
  );
  await topic.create(2);
  let left = pack;
  await waitUntil('all is delivered', async () => {
    const outcomes = await handler.deliver(left, never);
    left = left.filter((_, i) => outcomes[i] !== DELIVERED);
    return left.length === 0;
  });
  assert.equal((await topic.read(50)).length, 50);
});

test('a record that is too large fails alone, and nothing is written twice', async (t) => {
  const topic = await kafkaTopic(t, 3, { 'max.message.bytes': '20000' });
  const handler = await connected(t, at(topic, { key: '${clientId}' }));
  const pack = range(200).map((i) =>
    message({ clientId: `c${i}`, payload: Buffer.alloc(i === 77 ? 30_000 : 1000, `${i} `) }),
  );
  const outcomes = await handler.deliver(pack, never);
  const { failureClass, reason } = failureOf(outcomes[77]);
  assert.equal(failureClass, FailureClass.TOO_LARGE);
  assert.match(reason, /raise max\.message\.bytes/);
  assert.deepEqual(outcomes.filter((outcome) => outcome !== DELIVERED).length, 1);
  assert.equal(await topic.count(), 199);
  assert.ok((await handler.deliver(pack.slice(0, 70), never)).every((outcome) => outcome === DELIVERED));
  assert.equal(await topic.count(), 269);
});

test('a record above max.request.size is not sent at all', async (t) => {
  const topic = await kafkaTopic(t);
  const handler = await connected(t, at(topic, { otherProperties: { 'max.request.size': '1000' } }));
  const outcomes = await handler.deliver([outbound('small'), outbound('x'.repeat(1000))], never);
  assert.equal(outcomes[0], DELIVERED);
  assert.equal(failureOf(outcomes[1]).failureClass, FailureClass.TOO_LARGE);
});

test('a compacted topic refuses records without a key, for good', async (t) => {
  const topic = await kafkaTopic(t, 1, { 'cleanup.policy': 'compact' });
  const handler = await connected(t, at(topic));
  for (const outcome of await handler.deliver([outbound('a'), outbound('b'), outbound('c')], never)) {
    assert.equal(failureOf(outcome).failureClass, FailureClass.REJECTED);
  }
});
