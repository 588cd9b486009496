import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchLimits, Outgoing } from '../../src/kafkajs/outgoing.ts';
import { type Batch, PartitionQueue } from '../../src/kafkajs/partition-queue.ts';

const LIMITS: BatchLimits = { maxRecords: 10, maxBytes: 100, maxOnWay: 5 };
const MAX_SEQUENCE = 0x7fffffff;

/** A queue whose numbers Kafka knows: it has taken a batch. */
function newQueue() {
  const queue = new PartitionQueue<Outgoing>('t', 0);
  queue.identity = { producerId: '1', producerEpoch: 0 };
  const add = (value: string, bytes = 60) =>
    queue.add({ topic: 't', record: { key: null, value }, bytes, settle() {} });
  const take = () => queue.take(LIMITS, () => undefined, 0);
  add('first');
  queue.succeeded(take()!, 0);
  return { queue, add, take };
}

const valuesOf = (batch: Batch<Outgoing> | undefined) => batch?.records.map(({ record }) => record.value);

test('what comes back behind a record that was refused counts among the bytes that make a batch full', () => {
  const { queue, add, take } = newQueue();
  for (const value of ['refused', 'a', 'b']) add(value);
  const refused = take()!;
  const behind = take()!;
  assert.deepEqual([valuesOf(refused), valuesOf(behind)], [['refused'], ['a']]);
  queue.refused(refused, new Error('no'));
  queue.outOfOrder(behind, new Error('a gap'));
  assert.deepEqual(valuesOf(take()), ['a']);
  assert.equal(take(), undefined, 'one that is not full waits while another is on its way');
  add('c');
  assert.deepEqual(valuesOf(take()), ['b']);
});

test('a batch that is worth a request follows at once, also where more would fit', () => {
  const { queue, add } = newQueue();
  const limits: BatchLimits = { maxRecords: 500, maxBytes: 1_000_000, maxOnWay: 5 };
  const take = () => queue.take(limits, () => undefined, 0)?.records.length;
  add('on its way');
  assert.equal(take(), 1);
  for (let i = 0; i < 249; i++) add(String(i));
  assert.equal(take(), undefined, 'it grows meanwhile');
  add('249');
  assert.equal(take(), 250);
  assert.equal(take(), undefined);
});

test('tries that failed are forgotten once Kafka takes something', () => {
  const { queue, add, take } = newQueue();
  add('a');
  for (let failures = 1; failures <= 3; failures++) {
    queue.failed(take()!, new Error('no'), false);
    assert.equal(queue.failures, failures);
  }
  queue.succeeded(take()!, 0);
  assert.deepEqual([queue.failures, queue.error], [0, undefined]);
});

test('a record that is refused behind one that may be there leaves that one its numbers', () => {
  for (const isAnsweredFirst of [true, false]) {
    const { queue, add, take } = newQueue();
    for (const value of ['late', 'refused', 'behind']) add(value, 120);
    const [late, refused, behind] = [take()!, take()!, take()!];
    const fails = () => queue.failed(late, new Error('replicas are late'), true);
    if (isAnsweredFirst) fails();
    queue.refused(refused, new Error('too large'));
    queue.outOfOrder(behind, new Error('a gap'));
    if (!isAnsweredFirst) fails();
    const again = [take()!, take()!];
    assert.deepEqual(again.map(valuesOf), [['late'], ['refused']]);
    assert.deepEqual(
      again.map(({ sequence }) => sequence),
      [late.sequence, refused.sequence],
    );
    queue.succeeded(again[0]!, 0);
    queue.refused(again[1]!, new Error('too large'));
    const next = take()!;
    assert.deepEqual([valuesOf(next), next.sequence], [['behind'], refused.sequence]);
  }
});

test('what may be there may be there still when a later try surely did not write it', () => {
  const { queue, add, take } = newQueue();
  add('a', 20);
  add('b', 20);
  queue.failed(take()!, new Error('the connection is lost'), true);
  queue.failed(take()!, new Error('too few replicas'), false);
  assert.equal(take()!.mayBeThere, true);
});

test('the halves of a batch over whose middle the numbers begin anew leave in their order', () => {
  const { queue, add, take } = newQueue();
  for (const value of ['a', 'b']) add(value, 20);
  const batch = take()!;
  Object.assign(batch, { sequence: MAX_SEQUENCE }); // as after two thousand million records
  queue.refused(batch, new Error('too large'));
  const halves = [take()!, take()!];
  assert.deepEqual(halves.map(valuesOf), [['a'], ['b']]);
  assert.deepEqual(
    halves.map(({ sequence }) => sequence),
    [MAX_SEQUENCE, 0],
  );
});
