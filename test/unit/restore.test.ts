import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Restore } from '../../src/executor/lifecycle/restore.ts';
import { FakeDownlink } from '../helpers/fake-downlink.ts';
import { integrationOf, ManagerWorld } from '../helpers/manager-world.ts';

const ID = randomUUID();

function setUp() {
  const world = new ManagerWorld();
  const { manager, deps, reports, clock } = world;
  const downlink = new FakeDownlink(deps.bus);
  new Restore(['http'], { ...deps, bus: downlink.bus, manager });
  /** Publishes the records of a partition, by their generations; undefined: a tombstone. */
  const publish = async (...generations: readonly (bigint | undefined)[]) => {
    for (const [offset, generation] of generations.entries()) {
      const integration = generation && integrationOf(ID, { generation });
      downlink.read(0, offset, generations.length, ID, integration || undefined);
    }
    await clock.advance(10);
  };
  return { world, downlink, publish, started: () => reports.map(({ generation }) => generation) };
}

test('nothing starts before its partition was read to its end', async () => {
  const { world, downlink, started } = setUp();
  downlink.assign(0, 1);
  const other = randomUUID();
  downlink.read(0, 0, 3, ID, integrationOf(ID));
  downlink.read(0, 1, 3, other, integrationOf(other));
  downlink.readNothing(1);
  await world.clock.advance(60_000);
  assert.deepEqual(world.tries, []);
  downlink.read(0, 2, 3, ID, integrationOf(ID, { generation: 2n }));
  await world.clock.advance(10);
  assert.deepEqual(started().sort(), [1n, 2n]);
  assert.equal(world.tries.length, 2, 'each once');
  await world.stop();
});

test('of what a partition holds the highest generation starts, whatever was repeated', async () => {
  const { world, downlink, publish, started } = setUp();
  downlink.assign(0);
  await publish(4n, 5n, 4n);
  assert.deepEqual(started(), [5n]);
  await world.stop();
});

test('a tombstone ends what is before it, and nothing that comes after it', async () => {
  const ended = setUp();
  ended.downlink.assign(0);
  await ended.publish(4n, 5n, undefined);
  assert.deepEqual(ended.started(), []);
  const begun = setUp();
  begun.downlink.assign(0);
  await begun.publish(5n, undefined, 3n);
  assert.deepEqual(begun.started(), [3n]);
  await begun.world.stop();
});
