import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED, type Outcome } from '../../src/executor/handlers/handler.ts';
import { Batches } from '../../src/executor/handlers/kafka/batches.ts';
import { failureOf } from '../../src/executor/handlers/kafka/outcome.ts';
import { Partitions } from '../../src/executor/handlers/kafka/partitions.ts';
import type { KafkaRecord } from '../../src/executor/handlers/kafka/record.ts';
import type { Sender, Sending } from '../../src/executor/handlers/kafka/sender.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const never = new AbortController().signal;
const record = (value: string, bytes = 10, partition?: number): KafkaRecord => ({
  key: null,
  value,
  headers: [],
  bytes,
  ...(partition === undefined ? {} : { partition }),
});
const OPTIONS = { batchBytes: 100, maxRequestBytes: 1000, bufferBytes: 200 };

function world(options: Partial<typeof OPTIONS> = {}) {
  const sent: string[][] = [];
  let onWay: { readonly batch: readonly Sending[]; end(): void } | undefined;
  let discarded = 0;
  const end = (outcome: Outcome) => {
    for (const sending of onWay?.batch ?? []) sending.settle(outcome);
    onWay?.end();
    onWay = undefined;
  };
  const sender = {
    send(batch: readonly Sending[]) {
      sent.push(batch.map(({ record: { value } }) => String(value)));
      const { promise, resolve } = Promise.withResolvers<void>();
      onWay = { batch, end: resolve };
      return promise;
    },
    discard(why: Error) {
      discarded++;
      end(failureOf(why, 't'));
    },
    close(why: Error) {
      end(failureOf(why, 't'));
    },
  } as unknown as Sender;
  const partitions = new Partitions(0);
  const partitionMetadata = [0, 1, 2].map((partitionId) => ({
    partitionId,
    leader: 1,
    partitionErrorCode: 0,
    replicas: [1],
    isr: [1],
  }));
  partitions.partitioner()({ topic: 't', partitionMetadata, message: { key: 'k', value: 'v' } });
  const batches = new Batches({ sender, partitions, options: { ...OPTIONS, ...options } });
  return {
    batches,
    sent,
    discarded: () => discarded,
    /** The batch on its way is delivered. */
    async deliver() {
      end(DELIVERED);
      await turn();
      await turn();
    },
  };
}

test('one batch is on its way at a time, and the next one gathers', async () => {
  const { batches, sent, deliver } = world();
  const first = batches.deliver([record('a'), record('b')], never);
  const second = batches.deliver([record('c')], never);
  await turn();
  assert.deepEqual(sent, [['a', 'b', 'c']]);
  const third = batches.deliver([record('d')], never);
  const fourth = batches.deliver([record('e')], never);
  await turn();
  assert.equal(sent.length, 1);
  await deliver();
  assert.deepEqual(await first, [DELIVERED, DELIVERED]);
  assert.deepEqual(await second, [DELIVERED]);
  assert.deepEqual(sent.slice(1), [['d', 'e']]);
  await deliver();
  assert.deepEqual(await Promise.all([third, fourth]), [[DELIVERED], [DELIVERED]]);
});

test('a batch holds as much of a partition as it may, and a larger record goes alone', async () => {
  const { batches, sent, deliver } = world({ bufferBytes: 10_000, maxRequestBytes: 250 });
  const records = [
    record('a', 60, 0),
    record('b', 60, 1),
    record('c', 60, 0),
    record('d', 300, 1),
    record('e', 90, 1),
  ];
  const done = batches.deliver([...records, record('f', 90, 0), record('g', 90, 2)], never);
  await turn();
  for (let i = 0; i < 5; i++) await deliver();
  await done;
  assert.deepEqual(sent, [['a', 'b'], ['c'], ['d'], ['e', 'f'], ['g']]);
});

test('what does not fit into the buffer waits outside', async () => {
  const { batches, sent, deliver } = world({ batchBytes: 1000, bufferBytes: 100 });
  const done = batches.deliver([record('a', 90), record('b', 90), record('c', 300), record('d', 5)], never);
  await turn();
  assert.deepEqual(sent, [['a']]);
  await deliver();
  assert.deepEqual(sent, [['a'], ['b']]);
  await deliver();
  assert.deepEqual(sent, [['a'], ['b'], ['c']]);
  await deliver();
  await deliver();
  assert.deepEqual((await done).length, 4);
});

test('what is aborted while it waits never leaves, and harms nothing else', async () => {
  const { batches, sent, deliver, discarded } = world();
  const first = batches.deliver([record('a')], never);
  await turn();
  const abort = new AbortController();
  const second = batches.deliver([record('b')], abort.signal);
  const third = batches.deliver([record('c')], never);
  abort.abort(new Error('too late'));
  await assert.rejects(second, /too late/);
  await deliver();
  await deliver();
  assert.deepEqual(await Promise.all([first, third]), [[DELIVERED], [DELIVERED]]);
  assert.deepEqual(sent, [['a'], ['c']]);
  assert.equal(discarded(), 0);
  await assert.rejects(batches.deliver([record('d')], AbortSignal.abort(new Error('over'))), /over/);
});

test('what is aborted on its way is cut off, with what went along', async () => {
  const { batches, discarded } = world();
  const abort = new AbortController();
  const first = batches.deliver([record('a')], abort.signal);
  const second = batches.deliver([record('b')], never);
  await turn();
  abort.abort(new Error('too late'));
  await assert.rejects(first, /too late/);
  const [outcome] = await second;
  assert.ok(outcome?.delivered === false && outcome.failureClass === FailureClass.DISCONNECTED);
  assert.equal(discarded(), 1);
});

test('what is aborted while it waits for room ends at once', async () => {
  const { batches, deliver } = world({ bufferBytes: 100 });
  const first = batches.deliver([record('a', 90)], never);
  await turn();
  const abort = new AbortController();
  const second = batches.deliver([record('b', 90)], abort.signal);
  abort.abort(new Error('too late'));
  await assert.rejects(second, /too late/);
  await deliver();
  assert.deepEqual(await first, [DELIVERED]);
});

test('a close ends everything, and what comes after it', async () => {
  const { batches } = world({ bufferBytes: 20 });
  const ends = [batches.deliver([record('a', 15)], never), batches.deliver([record('b', 15)], never)];
  await turn();
  batches.close();
  ends.push(batches.deliver([record('c')], never));
  for (const [outcome] of await Promise.all(ends)) {
    assert.ok(outcome?.delivered === false && outcome.failureClass === FailureClass.DISCONNECTED);
  }
});
