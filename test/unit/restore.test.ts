import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { sealSecrets } from '../../src/contract/sealed-secrets.ts';
import { downlinkRows, goneRows, tombstones } from '../../src/control-plane/outbox/downlink.ts';
import type { OutboxRow } from '../../src/control-plane/store/outbox.ts';
import { Restore } from '../../src/executor/lifecycle/restore.ts';
import { FakeDownlink } from '../helpers/fake-downlink.ts';
import { integrationOf, ManagerWorld } from '../helpers/manager-world.ts';
import { keyRing, TEST_KEY_ID } from '../helpers/secret-keys.ts';

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

test('of one generation the record counts whose secrets can be read, the last of them', async () => {
  const integration = () =>
    integrationOf(ID, {
      configuration: {
        case: 'http',
        value: { restEndpointUrl: 'http://127.0.0.1:9/', secretHeaders: [{ name: 'x', value: 's' }] },
      },
    });
  const sealedWith = (key: string) => {
    const { integration: without, sealed } = sealSecrets(integration(), keyRing(key));
    return { integration: without, sealed: [...sealed] };
  };
  for (const keys of [
    ['old', TEST_KEY_ID],
    [TEST_KEY_ID, 'old'],
    [TEST_KEY_ID, TEST_KEY_ID],
  ]) {
    const { world, downlink, running } = setUp();
    downlink.assign(0);
    for (const [offset, key] of keys.entries())
      downlink.readRecord(0, offset, keys.length, ID, sealedWith(key));
    await world.clock.advance(10);
    assert.equal(running(), 1n, keys.join());
    await world.stop();
  }
  const { world, downlink, running } = setUp();
  downlink.assign(0);
  downlink.readRecord(0, 0, 1, ID, sealedWith('old'));
  await world.clock.advance(10);
  assert.match(
    world.reports.at(-1)!.reason,
    /http\.secret_headers\["x"\]\.value: cannot be decrypted, the key "old"/,
  );
  downlink.readRecord(0, 1, 2, ID, sealedWith(TEST_KEY_ID));
  await world.clock.advance(1000);
  assert.equal(running(), 1n, 'sealed anew, with a key that is there');
  const { length } = world.reports;
  downlink.readRecord(0, 2, 3, ID, sealedWith(TEST_KEY_ID));
  await world.clock.advance(1000);
  assert.equal(world.reports.length, length, 'and once more: nothing happens');
  await world.stop();
});

/** What an integration is one after the other: on how many executors; 0: it is deleted, for good. */
const history = fc
  .tuple(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 }), fc.boolean())
  .map(([shards, isDeleted]) => (isDeleted ? [...shards, 0] : shards));

/** What was on its way for long: which record, and how far behind its place it lands. */
const delays = fc.array(fc.tuple(fc.nat({ max: 60 }), fc.integer({ min: 1, max: 60 })), { maxLength: 4 });

const topics = topicsOf('t');
const revision = (shards: number, generation: number) => ({
  integration: integrationOf(ID, { generation: BigInt(generation), delivery: { maxExecutors: shards } }),
  type: 'http' as const,
  topicState: 'kept' as const,
  topicIncarnation: 1,
  sealed: [],
});

/** All that a control plane publishes of it, also late, and at last what is true once more. */
function publications(shards: readonly number[], late: readonly (readonly [number, number])[]): OutboxRow[] {
  const rows = shards.flatMap((count, i) => {
    const before = i === 0 ? undefined : revision(shards[i - 1]!, i);
    if (count === 0) return tombstones(topics, before!);
    return downlinkRows(topics, revision(count, i + 1), before?.integration);
  });
  const last = shards.at(-1)!;
  const truth = last === 0 ? [] : downlinkRows(topics, revision(last, shards.length));
  const isThere = ({ key }: OutboxRow) => truth.some((one) => one.key === key);
  const generation = BigInt(last === 0 ? shards.length - 1 : shards.length);
  const gone = [...new Map(rows.map((row) => [row.key, row])).values()]
    .filter((row) => !isThere(row))
    .flatMap((row) => goneRows({ ...row, generation }));
  const landed = [...rows];
  for (const [which, by] of late) landed.splice(which + by, 0, rows[which % rows.length]!);
  return [...landed, ...truth, ...gone];
}

test('whatever lands late, a part that comes back is never taken for gone, and one that is gone does not run', async () => {
  await fc.assert(
    fc.asyncProperty(history, delays, fc.boolean(), async (shards, late, isLive) => {
      const { world, downlink } = setUp();
      world.kafka.partitions = 4;
      downlink.assign(0);
      const rows = publications(shards, late);
      if (isLive) downlink.readNothing(0);
      for (const [offset, { key, value }] of rows.entries()) {
        const record = value ? fromBinary(DownlinkRecordSchema, value) : undefined;
        downlink.readRecord(0, offset, rows.length, key, record);
        await world.clock.advance(1);
      }
      await world.clock.advance(10_000);
      const runs = new Map(
        world.reports.map(({ shard, generation, state }) => [
          shard,
          state === IntegrationState.ACTIVE ? generation : undefined,
        ]),
      );
      for (let shard = 0; shard < 4; shard++) {
        const expected = shard < shards.at(-1)! ? BigInt(shards.length) : undefined;
        assert.equal(runs.get(shard), expected, `part ${shard}`);
      }
      await world.stop();
    }),
    { numRuns: 60 },
  );
});
