import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeFetcher } from '../../src/bus/kafka/node-fetcher.ts';
import { PartitionFeed } from '../../src/bus/kafka/partition-feed.ts';
import type { Broker } from '../../src/kafkajs/cluster.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

/** A feed of a partition that ends at 10, of which the node gives no records. */
async function fedByNothing(isCompacted: boolean) {
  const clock = new FakeClock();
  let asked = 0;
  const send = async () => {
    asked++;
    await clock.sleep(500);
    const partitions = [
      { topic: 't', partition: 0, errorCode: 0, end: 10, records: Buffer.alloc(0), aborted: [] },
    ];
    return { errorCode: 0, sessionId: 1, partitions };
  };
  const broker = { connectionPool: { getConnection: async () => ({ send }) } } as unknown as Broker;
  const node = new NodeFetcher({
    broker: async () => broker,
    maxWait: 500,
    clock,
    failed: assert.fail,
    misplaced: () => assert.fail('misplaced'),
    unreadable: () => assert.fail('unreadable'),
  });
  const owner = { changed() {}, end: async () => 10 };
  const feed = new PartitionFeed({ topic: 't', partition: 0, from: 3, isCompacted, take: () => true }, owner);
  node.add(feed);
  void node.run();
  await clock.advance(10_000);
  node.stop();
  await clock.advance(1000);
  return { position: feed.position, asked };
}

test('in a compacted topic, what Kafka does not give is not there', async () => {
  assert.equal((await fedByNothing(true)).position, 10);
});

test('in any other topic, what Kafka does not give is asked for again, without haste', async () => {
  const { position, asked } = await fedByNothing(false);
  assert.equal(position, 3);
  assert.ok(asked > 5 && asked < 50, `asked ${asked} times`);
});
