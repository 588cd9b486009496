import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
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
  const publish = async (...all: readonly (bigint | { gone: bigint } | undefined)[]) => {
    for (const [offset, one] of all.entries()) {
      const record =
        typeof one === 'bigint'
          ? { integration: integrationOf(ID, { generation: one }) }
          : one && { gone: { generation: one.gone } };
      downlink.readRecord(0, offset, all.length, ID, record);
    }
    await clock.advance(10);
  };
  const running = () =>
    reports.at(-1)?.state === IntegrationState.ACTIVE ? reports.at(-1)?.generation : undefined;
  return { world, downlink, publish, running, started: () => reports.map(({ generation }) => generation) };
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

test('what is behind a deletion of its generation is of the past, live or when it is read from the beginning', async () => {
  const read = setUp();
  read.downlink.assign(0);
  await read.publish(4n, { gone: 5n }, undefined, 4n, 5n);
  assert.deepEqual(read.started(), []);

  const live = setUp();
  live.downlink.assign(0);
  await live.publish(4n);
  for (const late of [{ gone: 4n }, undefined, 3n, 4n]) await live.publish(late);
  assert.deepEqual(live.running(), undefined);
  await live.publish(5n);
  assert.deepEqual(live.running(), 5n, 'a part that came back is of a later generation');
  await live.publish({ gone: 4n });
  await live.publish(undefined);
  assert.deepEqual(live.running(), 5n, 'and what told the end of the one before is of the past');
  await live.world.stop();
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

test('a tombstone that tells no generation ends a part that came back, live or when it is read from the beginning', async () => {
  const live = setUp();
  live.downlink.assign(0);
  await live.publish(4n);
  for (const record of [{ gone: 6n }, undefined, 7n]) await live.publish(record);
  assert.deepEqual(live.running(), 7n);
  await live.publish({ gone: 6n });
  await live.publish(undefined);
  assert.deepEqual(live.running(), 7n, 'the late end of the one before');
  await live.publish(undefined);
  assert.deepEqual(live.running(), undefined, 'an older control plane deletes it');
  await live.publish(7n);
  assert.deepEqual(live.running(), 7n, 'or had done so before, and what is true comes again');
  await live.publish({ gone: 6n });
  await live.publish(7n);
  await live.publish(undefined);
  assert.deepEqual(live.running(), undefined, 'the one that was late was not its own');
  await live.world.stop();

  const read = setUp();
  read.downlink.assign(0);
  await read.publish(4n, { gone: 6n }, undefined, 7n, undefined);
  assert.deepEqual(read.started(), []);
});
