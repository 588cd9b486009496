import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus, FeedOptions } from '../../src/bus/bus.ts';
import { startRequester } from '../../src/bus/request-reply.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { DeadlineError } from '../../src/runtime/deadline.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

/** A start on a Kafka whose topics are never read to their end. */
function stuckStart() {
  const clock = new ManualClock();
  const stop = new AbortController();
  const state = { isDisposed: false };
  const bus: Partial<Bus> = {
    feed: () => ({
      resume() {},
      backlog: async () => 0,
      [Symbol.dispose]() {
        state.isDisposed = true;
      },
    }),
  };
  const topic = topicsOf('p').notifications('cp');
  const deps = { ...testDeps(), clock, bus: bus as Bus, topic };
  const started = startRequester({ ...deps, signal: stop.signal });
  return { clock, stop, state, started };
}

test('a start that cannot read the answers ends in time', { timeout: 10_000 }, async () => {
  const { clock, state, started } = stuckStart();
  setImmediate(() => clock.advance(60_000));
  await assert.rejects(started, DeadlineError);
  assert.ok(state.isDisposed);
});

test('a start that is given up ends', { timeout: 10_000 }, async () => {
  const { stop, state, started } = stuckStart();
  setImmediate(() => stop.abort(new Error('shutting down')));
  await assert.rejects(started, /shutting down/);
  assert.ok(state.isDisposed);
});

const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';

/** A requester whose answers and whose Kafka are the test's. */
async function requester() {
  const clock = new ManualClock();
  const sent: { readonly topic: string; readonly key: string }[] = [];
  let take: FeedOptions['take'] = () => true;
  const bus: Partial<Bus> = {
    feed: (options) => {
      take = options.take;
      options.onPosition?.(0, 0);
      return { resume() {}, backlog: async () => 0, [Symbol.dispose]() {} };
    },
    send: async (topic, { key }) => {
      sent.push({ topic, key: String(key) });
    },
  };
  const topic = topicsOf('p').notifications('cp');
  const deps = { ...testDeps(), clock, bus: bus as Bus, topic };
  const started = await startRequester(deps);
  const answer = (requestId: string) => {
    const value = toBinary(
      ValidationResponseSchema,
      create(ValidationResponseSchema, { requestId, serviceId: 'ie' }),
    );
    take({
      topic: topic.name,
      partition: 0,
      offset: 0,
      timestamp: 0,
      key: null,
      value: Buffer.from(value),
    } as never);
  };
  return { clock, sent, started, answer };
}

const QUESTION = { requestId: ID, value: new Uint8Array(1), timeToLive: 10_000 };
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('who does not answer for 3 s is not the only one that is asked, until there is an answer', async () => {
  const { clock, sent, started, answer } = await requester();
  const asked = started.request('questions', { ...QUESTION, isRepeatable: true });
  await turn();
  clock.advance(2999);
  assert.deepEqual(sent, [{ topic: 'questions', key: ID }]);
  clock.advance(1);
  assert.equal(sent.length, 3);
  clock.advance(1000);
  assert.equal(sent.length, 5);
  assert.equal(
    new Set(sent.map(({ key }) => key)).size,
    5,
    'each goes to a partition of its own, or is likely to',
  );
  answer(ID);
  assert.equal((await asked).requestId, ID);
  clock.advance(10_000);
  assert.equal(sent.length, 5);
  assert.equal(clock.timers, 0);
});

test('what must not be done twice is asked once', async () => {
  const { clock, sent, started } = await requester();
  const asked = started.request('questions', { ...QUESTION, isRepeatable: false });
  await turn();
  const failed = assert.rejects(asked, DeadlineError);
  clock.advance(10_000);
  await failed;
  assert.equal(sent.length, 1);
});
