import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { startExecutor } from '../../src/executor/executor.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { type Condition, Readiness } from '../../src/runtime/readiness.ts';
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
  let conditions: readonly Condition[] = [];
  const begun = (part: { readonly conditions: readonly Condition[] }) => {
    ({ conditions } = part);
  };
  const starting = startExecutor(
    EXECUTOR,
    { ...deps, logger, bus: downlink.bus, begun },
    new AbortController().signal,
  );
  const readiness = new Readiness([{ services: [], conditions }], { clock, logger: deps.logger });
  const problems = async () => {
    await clock.advance(1000);
    return readiness.problems().map(({ name, reason }) => `${name}: ${reason}`);
  };
  return { world, clock, downlink, log, starting, problems };
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

test('an executor that restores is not ready, and says how far it is, as soon as it has begun', async () => {
  const { world, clock, downlink, starting, problems } = setUp();
  assert.deepEqual(await problems(), ['restore: waiting for its share of the integrations']);
  const ids = [randomUUID(), randomUUID(), randomUUID()];
  downlink.assign(0, 1, 2);
  downlink.read(0, 0, 1, ids[0]!, integrationOf(ids[0]!));
  assert.deepEqual(await problems(), ['restore: restoring the integrations (1 of 3 partitions)']);
  downlink.readNothing(1);
  assert.deepEqual(await problems(), ['restore: restoring the integrations (2 of 3 partitions)']);
  downlink.readNothing(2);
  assert.deepEqual(await problems(), []);
  await Promise.all([(await starting)[Symbol.asyncDispose](), clock.advance(10_000)]);
  await world.stop();
});

test('an executor that is in no group within its time ends with the reason', async () => {
  const { clock, starting } = setUp();
  const failed = assert.rejects(starting, /restoring the integrations: no answer within 60000 ms/);
  await clock.advance(70_000);
  await failed;
});
