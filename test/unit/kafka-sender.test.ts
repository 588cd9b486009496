import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DEFAULTS, type KafkaOptions } from '../../src/executor/handlers/kafka/options.ts';
import { DisconnectedError } from '../../src/executor/handlers/kafka/reason.ts';
import type { KafkaRecord } from '../../src/executor/handlers/kafka/record.ts';
import { RecordSender } from '../../src/executor/handlers/kafka/record-sender.ts';
import { Sockets } from '../../src/executor/handlers/kafka/sockets.ts';
import { murmur2 } from '../../src/kafkajs/key-partition.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { ErrorCode, FakeCluster } from '../helpers/fake-cluster.ts';
import { contextOf } from '../helpers/handler.ts';

const CLASSES = new Map<FailureClass, string>(
  Object.entries(FailureClass).map(([name, value]) => [value, name]),
);
const never = new AbortController().signal;

/** A sender to a topic of as many partitions as there are leaders. */
async function world(leaders: readonly number[], options: Partial<KafkaOptions> = {}) {
  const clock = new FakeClock();
  const cluster = new FakeCluster([1, 2], clock);
  const partitions = cluster.topic('t', leaders);
  const all = { ...DEFAULTS, requestTimeout: 1000, ...options };
  let refused = 0;
  const sockets = new Sockets(all, contextOf());
  const sender = new RecordSender({
    cluster: () => cluster.asCluster,
    sockets,
    topic: 't',
    options: all,
    clock,
    random: () => 0,
    refused: () => refused++,
  });
  /** In small steps: what is sent leaves with the event loop's next turn, which a clock knows nothing of. */
  const during = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    work.then(over, over);
    for (let steps = 0; !isOver && steps < 2000; steps++) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(10);
    }
    return await work;
  };
  const connect = () => during(sender.connect(never));
  /** Outcomes of records, by value: `ok`, or their class. */
  const deliver = async (records: readonly KafkaRecord[], signal = never) => {
    const outcomes = await during(sender.deliver(records, signal));
    return Object.fromEntries(
      outcomes.map((outcome, i) => [
        String(records[i]!.value),
        outcome.delivered ? 'ok' : CLASSES.get(outcome.failureClass),
      ]),
    );
  };
  return { clock, cluster, partitions, sockets, sender, connect, deliver, during, refused: () => refused };
}

/** A key of this partition, out of two. */
const keyOf = (partition: number) =>
  ['a', 'b', 'c', 'd', 'e', 'f'].find((key) => (murmur2(Buffer.from(key)) & 0x7fffffff) % 2 === partition)!;
const record = (value: string, partition = 0): KafkaRecord => ({
  key: keyOf(partition),
  value: Buffer.from(value),
  headers: [],
  bytes: 100,
});

test('a broker that is away fails its own records alone, after one more try that writes nothing twice', async () => {
  const { cluster, connect, deliver, partitions } = await world([1, 2]);
  await connect();
  await deliver([record('0', 0), record('1', 1)]);
  cluster.down.add(2);
  cluster.cut(2);
  assert.deepEqual(await deliver([record('a', 0), record('b', 1), record('c', 0), record('d', 1)]), {
    a: 'ok',
    b: 'UNAVAILABLE',
    c: 'ok',
    d: 'UNAVAILABLE',
  });
  cluster.down.delete(2);
  assert.deepEqual(await deliver([record('b', 1)]), { b: 'ok' });
  assert.deepEqual(partitions[1]!.values, ['1', 'b']);
});

test('a record at fault fails alone', async () => {
  const { cluster, connect, deliver, partitions } = await world([1, 1]);
  await connect();
  cluster.refuses = (_topic, _partition, values) => (values.includes('e') ? ErrorCode.MESSAGE_TOO_LARGE : 0);
  const outcomes = await deliver(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((value) => record(value)));
  assert.deepEqual(outcomes, { a: 'ok', b: 'ok', c: 'ok', d: 'ok', e: 'TOO_LARGE', f: 'ok', g: 'ok' });
  assert.deepEqual(partitions[0]!.values, ['a', 'b', 'c', 'd', 'f', 'g']);
});

test('what follows a failed record in its partition fails with it, so that it does not arrive before it', async () => {
  const { cluster, connect, deliver, partitions } = await world([1, 2], { batchBytes: 200 });
  await connect();
  await deliver([record('0', 0)]);
  cluster.refuses = (_topic, _partition, values) =>
    values.includes('a') ? ErrorCode.NOT_ENOUGH_REPLICAS : 0;
  const outcomes = await deliver([...'abcdefgh'].map((value) => record(value)).concat(record('other', 1)));
  assert.deepEqual(new Set(Object.values(outcomes).slice(0, 8)), new Set(['UNAVAILABLE']));
  assert.equal(outcomes.other, 'ok');
  assert.deepEqual(partitions[0]!.values, ['0']);
  assert.deepEqual(partitions[1]!.values, ['other']);
});

test('what is refused as a whole is not tried again; what breaks off is, as often as configured', async () => {
  const tries = async (options: Partial<KafkaOptions>, code: number) => {
    const { cluster, connect, deliver } = await world([1, 1], options);
    await connect();
    cluster.refuses = () => code;
    await deliver([record('a')]);
    return cluster.requests.length;
  };
  const TOPIC_AUTHORIZATION_FAILED = 29;
  assert.equal(await tries({ retries: 3 }, TOPIC_AUTHORIZATION_FAILED), 1);
  assert.equal(await tries({}, ErrorCode.NOT_ENOUGH_REPLICAS), 2);
  assert.equal(await tries({ idempotence: false }, ErrorCode.NOT_ENOUGH_REPLICAS), 1);
  assert.equal(await tries({ retries: 3 }, ErrorCode.NOT_ENOUGH_REPLICAS), 4);
  assert.equal(await tries({ retries: 3, acks: 1 }, ErrorCode.NOT_ENOUGH_REPLICAS), 4);
});

test('without acknowledgements a record is delivered once it has left, and not before', async () => {
  const { cluster, connect, deliver, sockets, during, clock, sender } = await world([1, 1], { acks: 0 });
  cluster.answersProduce = false;
  await connect();
  assert.deepEqual(await deliver([record('a')]), { a: 'ok' });
  const left = Promise.withResolvers<void>();
  sockets.drained = () => left.promise;
  let isOver = false;
  const delivered = sender.deliver([record('b')], never).then((outcomes) => {
    isOver = true;
    return outcomes;
  });
  await during(clock.sleep(500));
  assert.equal(isOver, false);
  assert.deepEqual(cluster.requests.at(-1), ['b']);
  left.resolve();
  assert.deepEqual(
    (await during(delivered)).map(({ delivered }) => delivered),
    [true],
  );
  sockets.drained = () => Promise.reject(new Error('the connection was lost before everything was sent'));
  assert.notDeepEqual(await deliver([record('c')]), { c: 'ok' });
});

test('where the cluster does not allow idempotence, it is done without, unless it was asked for', async () => {
  const denied = Object.assign(new Error('denied'), { type: 'CLUSTER_AUTHORIZATION_FAILED' });
  const deny = ({ brokerPool }: FakeCluster) => {
    for (const broker of Object.values(brokerPool.brokers)) {
      Object.assign(broker, { initProducerId: () => Promise.reject(denied) });
    }
  };
  const lax = await world([1, 1]);
  deny(lax.cluster);
  await lax.connect();
  assert.deepEqual(await lax.deliver([record('a')]), { a: 'ok' });
  const strict = await world([1, 1], { idempotence: true });
  deny(strict.cluster);
  await assert.rejects(strict.connect(), denied);
});

test('what is aborted rejects at once, does not leave any more, and harms no other', async () => {
  const { cluster, clock, sender, connect, deliver, during, partitions } = await world([1, 1]);
  await connect();
  cluster.down.add(1);
  const aborter = new AbortController();
  const sending = sender.deliver([record('late')], aborter.signal);
  const rejected = assert.rejects(sending, /its time is over/);
  await clock.advance(20);
  aborter.abort(new Error('its time is over'));
  await rejected;
  cluster.down.delete(1);
  assert.deepEqual(await during(deliver([record('next')])), { next: 'ok' });
  assert.deepEqual(partitions[0]!.values, ['next']);
});

test('what Kafka has taken when its pack is aborted stays delivered', async () => {
  const { cluster, clock, sender, connect, deliver, during } = await world([1, 2]);
  await connect();
  await deliver([record('0', 0), record('1', 1)]);
  cluster.mute.add(2);
  const aborter = new AbortController();
  const sending = sender.deliver([record('there', 0), record('late', 1)], aborter.signal);
  await during(clock.sleep(100));
  aborter.abort(new Error('its time is over'));
  assert.deepEqual(await sending, [
    { delivered: true },
    { delivered: false, failureClass: FailureClass.TIMEOUT, reason: 'its time is over' },
  ]);
});

test('a broker that does not answer in time is told so, whatever connections were lost before', async () => {
  const { cluster, connect, deliver, sockets } = await world([1, 1], { idempotence: false });
  await connect();
  await deliver([record('0')]);
  for (const port of [1, 2])
    sockets.lost.set(`localhost:${port}`, new DisconnectedError('the connection was idle', true));
  cluster.mute.add(1);
  assert.deepEqual(await deliver([record('1')]), { 1: 'TIMEOUT' });
});

test('why a connection was lost is told of the broker that it was to, and not by what another one lost', async () => {
  const { cluster, connect, sockets } = await world([1, 1]);
  const closed = Object.assign(new Error('Closed connection'), {
    ...{ name: 'KafkaJSConnectionClosedError', broker: 'localhost:1' },
  });
  cluster.connect = () => Promise.reject(closed);
  sockets.lost.set('localhost:2', new DisconnectedError('its certificate has expired', true));
  await assert.rejects(connect(), closed);
  const own = new DisconnectedError('reset', true);
  sockets.lost.set('localhost:1', own);
  await assert.rejects(connect(), own);
});

test('what does not fit into the buffer waits outside, and ends when it is aborted there', async () => {
  const { cluster, sender, connect, deliver, during } = await world([1, 1], { bufferBytes: 250 });
  await connect();
  cluster.mute.add(1);
  const aborter = new AbortController();
  const stuck = sender.deliver([record('a'), record('b'), record('c')], aborter.signal);
  const rejected = assert.rejects(stuck, /over/);
  aborter.abort(new Error('over'));
  await rejected;
  cluster.mute.delete(1);
  assert.deepEqual(await during(deliver([record('d')])), { d: 'ok' });
});

test('credentials that are refused are told, so that a token is not shown again', async () => {
  const { cluster, connect, refused } = await world([1, 1]);
  const refusal = Object.assign(new Error('SASL authentication failed'), {
    name: 'KafkaJSSASLAuthenticationError',
  });
  cluster.connect = () => Promise.reject(refusal);
  await assert.rejects(connect(), refusal);
  assert.equal(refused(), 1);
});

test('a close ends what is on its way, and what comes after it', async () => {
  const { cluster, sender, connect, deliver } = await world([1, 1]);
  await connect();
  cluster.mute.add(1);
  const stuck = deliver([record('a')]);
  sender.close();
  assert.deepEqual(await stuck, { a: 'DISCONNECTED' });
  assert.deepEqual(await deliver([record('b')]), { b: 'DISCONNECTED' });
});
