// Replay a failure with PENSTOCK_TEST_SEED=<seed> PENSTOCK_TEST_PATH=<path> as printed; PENSTOCK_TEST_RUNS=<n> runs more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Policy } from '../../src/executor/delivery/policy.ts';
import { type Kind, type Plan, type Script, type Shape, World } from '../helpers/delivery-world.ts';

const { PENSTOCK_TEST_SEED, PENSTOCK_TEST_PATH, PENSTOCK_TEST_RUNS } = process.env;
const PARAMETERS: fc.Parameters<unknown> = {
  numRuns: Number(PENSTOCK_TEST_RUNS ?? 1000),
  interruptAfterTimeLimit: 40_000,
  ...(PENSTOCK_TEST_SEED ? { seed: Number(PENSTOCK_TEST_SEED) } : {}),
  ...(PENSTOCK_TEST_PATH ? { path: PENSTOCK_TEST_PATH } : {}),
};
const DEADLINE = 300;

/** How a handler takes the messages of a key. */
const RUNS = [undefined, 'within', 'across'] as const;
const said = (runs: (typeof RUNS)[number]) => (runs ? `, with runs ${runs} packs` : '');

const policy: fc.Arbitrary<Policy> = fc.record({
  strategy: fc.constantFrom('RETRY_ALL', 'RETRY_ALL', 'SKIP_ALL'),
  retries: fc.integer({ min: 0, max: 3 }),
  pauseBetweenRetries: fc.integer({ min: 1, max: 500 }),
  maxPause: fc.integer({ min: 500, max: 20_000 }),
  packProcessingTimeout: fc.constant(DEADLINE),
  maxInFlight: fc.integer({ min: 1, max: 12 }),
  maxInFlightBytes: fc.constantFrom(1, 100, 1e6),
  deadLetter: fc.boolean(),
  maxHops: fc.constant(8),
});
const shape: fc.Arbitrary<Shape> = fc.record({
  partitions: fc.integer({ min: 1, max: 3 }),
  pack: fc.record({
    maxMessages: fc.integer({ min: 1, max: 5 }),
    maxBytes: fc.constantFrom(1, 100, 1e6),
    maxWait: fc.constantFrom(0, 0, 5, 2000),
  }),
  parallel: fc.integer({ min: 1, max: 4 }),
  policy,
});
const shapes = (runs: (typeof RUNS)[number]) =>
  shape.map((form) => (runs ? { ...form, pack: { ...form.pack, runs } } : form));

const delivered = { arbitrary: fc.constant('delivered' as const), weight: 5 };
const plan: fc.Arbitrary<Plan> = fc.record({
  outcome: fc.oneof(delivered, fc.constantFrom(...Object.values(FailureClass))),
  delay: fc.oneof(
    { arbitrary: fc.nat(20), weight: 4 },
    fc.integer({ min: DEADLINE - 2, max: DEADLINE + 2000 }),
  ),
  retryAfter: fc.option(fc.nat(15_000), { nil: undefined, freq: 9 }),
  stubborn: fc.boolean(),
});
const script: fc.Arbitrary<readonly Script[]> = fc.array(
  fc.record({
    answer: fc.oneof(
      { arbitrary: fc.constant('outcomes' as const), weight: 8 },
      fc.constantFrom(
        'rejects' as const,
        'throws' as const,
        'never' as const,
        'too few' as const,
        'refuses' as const,
        'refuses' as const,
        'refuses' as const,
        'cuts surely' as const,
        'cuts maybe' as const,
        'cuts maybe' as const,
        'cuts no' as const,
      ),
    ),
    plans: fc.array(plan, { minLength: 1, maxLength: 5 }),
  }),
  { maxLength: 60, size: 'max' },
);

type Step = (world: World) => unknown;
const step = <T>(name: string, value: fc.Arbitrary<T>, run: (world: World, value: T) => unknown) =>
  value.map((one): Step => {
    const named = (world: World) => run(world, one);
    return Object.assign(named, { [fc.toStringMethod]: () => `${name}(${JSON.stringify(one)})` });
  });

const publishOf = (...kinds: Kind[]) =>
  step(
    'publish',
    fc.array(
      fc.record({
        partition: fc.nat(3),
        key: fc.constantFrom('a', 'b', 'c', null),
        kind: fc.constantFrom(...kinds),
      }),
      { minLength: 1, maxLength: 20 },
    ),
    (world, messages) => {
      for (const { partition, key, kind } of messages)
        world.publish(partition % world.kafka.log.length, key, kind);
    },
  );
const publish = publishOf('plain', 'plain', 'plain', 'plain', 'expires', 'unreadable');
const advance = step('advance', fc.oneof(fc.nat(50), fc.nat(3000), fc.nat(20_000)), (world, ms) =>
  world.advance(ms),
);
const start = step('start', fc.constant(undefined), (world) => {
  if (world.processes.filter((one) => one.isRunning).length < 3) return world.start();
});
const one = (world: World, n: number) => {
  const running = world.processes.filter(({ isRunning }) => isRunning);
  return running[n % (running.length || 1)];
};
const stop = step(
  'stop',
  fc.record({ n: fc.nat(2), grace: fc.constantFrom(0, 100, 5000) }),
  (world, { n, grace }) => {
    void one(world, n)?.stop(grace);
  },
);
const kill = step('kill', fc.nat(2), (world, n) => one(world, n)?.kill());
const isolate = step('isolate', fc.record({ n: fc.nat(2), ms: fc.nat(30_000) }), (world, { n, ms }) => {
  void one(world, n)?.client.isolate(ms);
});
const suspend = step('suspend', fc.record({ n: fc.nat(2), ms: fc.nat(30_000) }), (world, { n, ms }) => {
  void one(world, n)?.suspend(ms);
});
const rebalance = step('rebalance', fc.nat(2), ({ kafka }, rotation) => {
  kafka.rotation = rotation;
  kafka.rebalance();
});
const grow = step('grow', fc.constant(undefined), (world) => {
  if (world.kafka.log.length < 4) world.grow();
});
const fault = step(
  'fault',
  fc.record({ refusedCommits: fc.nat(3), stalledCommits: fc.nat(1), failedSends: fc.nat(5) }),
  ({ kafka }, faults) => Object.assign(kafka.faults, faults),
);

async function play(world: World, steps: readonly Step[]): Promise<void> {
  await world.start();
  for (const run of steps) {
    await run(world);
    await world.advance(0);
  }
  await world.quiesce();
}

for (const runs of RUNS)
  test(`whatever fails, nothing is lost, each key keeps its order, and every message is accounted for${said(runs)}`, async () => {
    const anyStep = fc.oneof(
      { arbitrary: fc.oneof(publish, publishOf('plain', 'plain', 'poison')), weight: 6 },
      { arbitrary: advance, weight: 8 },
      { arbitrary: start, weight: 2 },
      ...[stop, kill, isolate, suspend, rebalance, grow, fault],
    );
    const steps = fc.array(anyStep, { maxLength: 25, size: 'max' });
    await fc.assert(
      fc.asyncProperty(shapes(runs), script, steps, async (form, answers, all) => {
        await play(new World(form, answers), all);
      }),
      PARAMETERS,
    );
  });

for (const runs of RUNS)
  test(`without a fault, stops, starts and rejoins deliver each message once${said(runs)}`, async () => {
    const rejoin = step('rejoin', fc.constant(undefined), ({ kafka }) => kafka.rebalance());
    const restart = step('restart', fc.constant(undefined), async (world) => {
      await Promise.all([one(world, 0)?.stop(5000), world.advance(20_000)]);
      await world.start();
    });
    const healthy = fc.record({
      answer: fc.constant('outcomes' as const),
      plans: fc.array(
        fc.record({
          outcome: fc.constant('delivered' as const),
          delay: fc.nat(50),
          stubborn: fc.constant(true),
        }),
        { minLength: 1 },
      ),
    });
    const anyStep = fc.oneof(
      { arbitrary: publish, weight: 3 },
      { arbitrary: advance, weight: 3 },
      ...[rejoin, restart, grow],
    );
    const steps = fc.array(anyStep, { maxLength: 15, size: 'max' });
    await fc.assert(
      fc.asyncProperty(shapes(runs), fc.array(healthy), steps, async (form, answers, all) => {
        const world = new World(form, answers);
        await play(world, all);
        assert.ok(
          world.messages.every(({ landed, deadLettered, skipped }) => landed + deadLettered + skipped <= 1),
        );
      }),
      { ...PARAMETERS, numRuns: Math.ceil(PARAMETERS.numRuns! / 3) },
    );
  });

for (const runs of RUNS)
  test(`connections that are lost for some messages cost no other one its delivery${said(runs)}`, async () => {
    const loses = fc.record({
      answer: fc.constantFrom('cuts surely' as const, 'cuts maybe' as const),
      plans: fc.array(
        fc.record({
          outcome: fc.constant('delivered' as const),
          delay: fc.nat(50),
          stubborn: fc.constant(true),
        }),
        { minLength: 1 },
      ),
    });
    const anyStep = fc.oneof(
      { arbitrary: publishOf('plain', 'plain', 'plain', 'plain', 'poison'), weight: 4 },
      { arbitrary: advance, weight: 4 },
      ...[start, stop, kill, rebalance],
    );
    const steps = fc.array(anyStep, { maxLength: 20, size: 'max' });
    await fc.assert(
      fc.asyncProperty(shapes(runs), fc.array(loses), steps, async (form, answers, all) => {
        const world = new World(form, answers, true);
        await play(world, all);
        const given = world.messages.filter(({ deadLettered, skipped }) => deadLettered + skipped > 0);
        assert.deepEqual(
          given.filter(({ kind }) => kind === 'plain'),
          [],
        );
      }),
      { ...PARAMETERS, numRuns: Math.ceil(PARAMETERS.numRuns! / 3) },
    );
  });
