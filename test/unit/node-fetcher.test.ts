import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeFetcher } from '../../src/bus/kafka/node-fetcher.ts';
import { PartitionFeed } from '../../src/bus/kafka/partition-feed.ts';
import type { Broker, Exchange } from '../../src/kafkajs/cluster.ts';
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

test('a fetch looks at what it brings, and not at what is quiet', async () => {
  const COUNT = 5000;
  const clock = new FakeClock();
  const batch = { topic: 't0', partition: 0, errorCode: 0, end: 1, records: Buffer.alloc(0), aborted: [] };
  let fetches = 0;
  const send = async () => {
    fetches++;
    await clock.sleep(1);
    return { errorCode: 0, sessionId: 1, partitions: [batch] };
  };
  const broker = { connectionPool: { getConnection: async () => ({ send }) } } as unknown as Broker;
  const deps = { broker: async () => broker, maxWait: 500, clock };
  const fails = { failed: assert.fail, misplaced: () => assert.fail(), unreadable: () => assert.fail() };
  const node = new NodeFetcher({ ...deps, ...fails });
  const owner = { changed() {}, end: async () => 10 };
  let looks = 0;
  const hungry = Object.getOwnPropertyDescriptor(PartitionFeed.prototype, 'isHungry')!.get!;
  for (let i = 0; i < COUNT; i++) {
    const feed = new PartitionFeed({ topic: `t${i}`, partition: 0, from: 1, take: () => true }, owner);
    Object.defineProperty(feed, 'isHungry', {
      get() {
        looks++;
        return hungry.call(feed);
      },
    });
    node.add(feed);
    feed.isQuiet = true;
  }
  void node.run();
  await clock.advance(100); // all of them are quiet by now
  const before = { looks, fetches };
  await clock.advance(1000);
  const made = fetches - before.fetches;
  assert.ok(made > 100, `${made} fetches`);
  assert.ok(looks - before.looks <= 10 * made, `${looks - before.looks} looks in ${made} fetches`);
  node.stop();
  await clock.advance(1000);
});

test('a feed that is closed while its fetch is on its way is not fetched again; one in its place is', async () => {
  const clock = new FakeClock();
  const asked: string[][] = [];
  const send = async (exchange: Exchange<unknown>) => {
    const { buf } = await exchange.request.encode!();
    asked.push([...buf.toString('latin1').matchAll(/topic-\w/g)].map(([name]) => name));
    await clock.sleep(50);
    return { errorCode: 0, sessionId: 0, partitions: [] };
  };
  const broker = { connectionPool: { getConnection: async () => ({ send }) } } as unknown as Broker;
  const fails = { failed: assert.fail, misplaced: () => assert.fail(), unreadable: () => assert.fail() };
  const node = new NodeFetcher({ broker: async () => broker, maxWait: 50, clock, ...fails });
  const feedOf = (topic: string): PartitionFeed => {
    const owner = {
      changed: () => (feed.isClosed ? node.remove(feed) : node.changed(feed)),
      end: async () => 0,
    };
    const feed: PartitionFeed = new PartitionFeed({ topic, partition: 0, from: 0, take: () => true }, owner);
    return feed;
  };
  const [a, b] = [feedOf('topic-a'), feedOf('topic-b')];
  for (const one of [a, b]) node.add(one);
  void node.run();
  await clock.advance(10);
  a[Symbol.dispose]();
  const again = feedOf('topic-b');
  b[Symbol.dispose]();
  node.add(again);
  asked.length = 0;
  await clock.advance(500);
  assert.ok(asked.length > 2);
  assert.deepEqual([...new Set(asked.flat())], ['topic-b']);
  assert.ok(!node.has(b) && node.has(again));
  node.stop();
  await clock.advance(1000);
});
