import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FeedOptions, OutgoingRecord } from '../../src/bus/bus.ts';
import { startKafkaClock } from '../../src/bus/kafka-clock.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { leaseClock, sleepOn } from '../../src/runtime/clock.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

/** Kafka, whose clock is the one that counts, and a node whose machine has one of its own. */
class World {
  readonly clock = new FakeClock();
  /** How long a record takes to Kafka, and its acknowledgement back. */
  way = [3.3, 4.4];
  isAway = false;
  /** How far the node's wall clock is off; for how long its machine was suspended; how far Kafka's clock was set. */
  readonly off = { wall: 0, suspended: 0, kafka: 0 };
  #feed: FeedOptions | undefined;
  #offset = 0;

  kafkaNow(): number {
    return this.clock.now() + this.off.kafka;
  }

  async start() {
    const { clock, off } = this;
    const now = () => Math.floor(clock.now() + off.wall);
    const monotonic = () => clock.monotonic() + 0.123 - off.suspended;
    const own = {
      now,
      monotonic,
      lease: leaseClock({ now, monotonic }),
      setTimer: (callback: () => void, ms: number) => clock.setTimer(callback, ms),
      sleep: (ms: number, signal?: AbortSignal) => sleepOn(clock, ms, signal),
    };
    const bus = {
      createTopics: async () => {},
      send: (_: string, record: OutgoingRecord) => this.#send(record),
      feed: (options: FeedOptions) => {
        this.#feed = options;
        return { resume() {}, backlog: async () => 0, [Symbol.dispose]() {} };
      },
    };
    const started = startKafkaClock({ ...testDeps(), bus, topics: topicsOf('t'), clock: own, key: 'me' });
    await clock.advance(60_000, () => Promise.race([started.then(() => true), false]));
    return await started;
  }

  async #send({ key, value }: OutgoingRecord): Promise<void> {
    const [there = 0, back = 0] = this.way;
    await this.clock.sleep(there);
    if (this.isAway) return await new Promise(() => {});
    const record = { topic: 't', partition: 0, offset: this.#offset++, key, value };
    this.#feed?.take({ ...record, key: 'another', timestamp: 0 });
    this.#feed?.take({ ...record, timestamp: Math.floor(this.kafkaNow()) });
    await this.clock.sleep(back);
  }
}

test("a node whose clock is wrong goes by Kafka's", async () => {
  const world = new World();
  world.off.wall = -120_000;
  using node = await world.start();
  const behind = world.kafkaNow() - node.earliest.now();
  const ahead = node.latest.now() - world.kafkaNow();
  assert.ok(behind >= 0 && behind <= 8, `${behind}`);
  assert.ok(ahead >= 0 && ahead <= 8, `${ahead}`);
  for (const now of [node.earliest.now(), node.latest.now()]) assert.ok(Number.isInteger(now), `${now}`);
});

test('while Kafka does not tell, a node goes by what it knew, and by its own clock before', async () => {
  const world = new World();
  world.off.wall = 5000;
  world.isAway = true;
  using node = await world.start();
  assert.equal(node.earliest.now(), world.clock.now() + 5000);
  world.isAway = false;
  await world.clock.advance(20_000);
  world.isAway = true;
  await world.clock.advance(600_000);
  assert.ok(Math.abs(node.earliest.now() - world.kafkaNow()) < 10);
});

test('a clock that is set, on any side, or a machine that was suspended, is noticed within the next look', async () => {
  for (const change of ['wall', 'kafka', 'suspended'] as const) {
    const world = new World();
    using node = await world.start();
    world.off[change] = 90_000;
    if (change === 'suspended') world.off.wall = 0; // the system sets it when it wakes
    node.latest.now();
    await world.clock.advance(change === 'kafka' ? 11_000 : 100);
    await world.clock.advance(100);
    const [behind, ahead] = [world.kafkaNow() - node.earliest.now(), node.latest.now() - world.kafkaNow()];
    assert.ok(behind >= 0 && behind <= 12, `${change}: ${behind} behind`);
    assert.ok(ahead >= 0 && ahead <= 12, `${change}: ${ahead} ahead`);
  }
});

test('however slow Kafka is, a message is never older for one node than it is, and soon hardly younger', async () => {
  const way = fc.tuple(fc.nat(900), fc.nat(900));
  await fc.assert(
    fc.asyncProperty(
      fc.array(way, { minLength: 4, maxLength: 10 }),
      fc.integer({ min: -1e6, max: 1e6 }),
      async (ways, wall) => {
        const world = new World();
        world.off.wall = wall;
        world.way = [...ways[0]!];
        using node = await world.start();
        for (const one of ways) {
          world.way = [...one];
          await world.clock.advance(12_000, () => {
            assert.ok(node.earliest.now() <= world.kafkaNow());
            assert.ok(node.latest.now() >= world.kafkaNow());
          });
        }
        const narrowest = Math.min(...ways.slice(1).map(([there, back]) => there + back));
        const width = node.latest.now() - node.earliest.now();
        assert.ok(width <= narrowest + 4 * ways.length + 2, `${width}, the quickest look took ${narrowest}`);
      },
    ),
    { numRuns: 50 },
  );
});
