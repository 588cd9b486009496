import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { startExecutor } from '../../src/executor/executor.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { EXECUTOR } from '../helpers/executor.ts';
import { FakeDownlink } from '../helpers/fake-downlink.ts';
import { integrationOf, ManagerWorld } from '../helpers/manager-world.ts';

const RUNS = [[IntegrationState.ACTIVE, '']];

/** An executor that starts, and the partitions of its downlink topic. */
function setUp() {
  const world = new ManagerWorld();
  const { deps, clock } = world;
  const downlink = new FakeDownlink(deps.bus);
  const log: string[] = [];
  const logger = createLogger('error', clock, (line) => log.push(line));
  const starting = startExecutor(
    EXECUTOR,
    { ...deps, logger, bus: downlink.bus },
    new AbortController().signal,
  );
  return { world, clock, downlink, log, starting };
}

test('a partition that cannot be read keeps no other one down, and is restored when it can', async () => {
  const { world, clock, downlink, log, starting } = setUp();
  let isReady = false;
  void starting.then(() => {
    isReady = true;
  });
  const [here, late] = [randomUUID(), randomUUID()];
  await clock.advance(10);
  downlink.assign(0, 1);
  downlink.read(0, 0, 1, here, integrationOf(here));
  await clock.advance(59_000);
  assert.deepEqual([isReady, world.told(here), log], [false, RUNS, []]);
  await clock.advance(1000);
  assert.ok(isReady);
  assert.equal(log.length, 1);
  assert.match(log[0]!, /"partitions":"t\.ie\.downlink\.http\/1"/);
  downlink.read(1, 0, 1, late, integrationOf(late));
  await clock.advance(10);
  assert.deepEqual(world.told(late), RUNS);
  await Promise.all([(await starting)[Symbol.asyncDispose](), clock.advance(10_000)]);
});

test('an executor that is in no group within its time ends with the reason', async () => {
  const { clock, starting } = setUp();
  const failed = assert.rejects(starting, /restoring the integrations: no answer within 60000 ms/);
  await clock.advance(70_000);
  await failed;
});
