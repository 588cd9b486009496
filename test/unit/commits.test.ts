import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommitContext, Commits } from '../../src/bus/kafka/commits.ts';
import type { Broker, Exchange } from '../../src/kafkajs/cluster.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const REBALANCE_IN_PROGRESS = 27;
const UNKNOWN_MEMBER_ID = 25;

/** A coordinator whose answers are told. */
function world() {
  const clock = new FakeClock();
  const state = {
    clock,
    /** What Kafka says to every partition of a request; undefined: it never answers. */
    code: 0 as number | undefined,
    /** How often it was asked. */
    requests: 0,
    context: Promise.resolve(),
    isOver: false,
  };
  const send = (_: Exchange<unknown>) => {
    state.requests++;
    const partitions = [{ partition: 0, errorCode: state.code }];
    if (state.code === undefined) return new Promise(() => {});
    return Promise.resolve({ responses: [{ topic: 't', partitions }] });
  };
  const coordinator = { connectionPool: { getConnection: async () => ({ send }) } } as unknown as Broker;
  const commits = new Commits({
    clock,
    async context(): Promise<CommitContext> {
      await state.context;
      return { groupId: 'g', groupGenerationId: 1, memberId: 'm', coordinator };
    },
  });
  /** What becomes of a commit. */
  const commit = (offset: number) => {
    const outcome = { text: 'waits' };
    commits
      .commit([{ topic: 't', partition: 0, offset, tag: '' }], () => state.isOver)
      .then(
        () => Object.assign(outcome, { text: 'committed' }),
        (error: Error) => Object.assign(outcome, { text: error.message }),
      );
    return outcome;
  };
  return Object.assign(state, { commit });
}

test('a commit waits for the end of a rebalance', async () => {
  const kafka = world();
  kafka.code = REBALANCE_IN_PROGRESS;
  const outcome = kafka.commit(1);
  await kafka.clock.advance(6000);
  assert.equal(outcome.text, 'waits');
  kafka.code = 0;
  await kafka.clock.advance(100);
  assert.equal(outcome.text, 'committed');
  const { requests } = kafka;
  await kafka.clock.advance(10_000);
  assert.equal(kafka.requests, requests);
});

test('a rebalance that does not end is not waited for for ever, and then nothing is sent any more', async () => {
  const kafka = world();
  kafka.code = REBALANCE_IN_PROGRESS;
  const outcome = kafka.commit(1);
  await kafka.clock.advance(9000);
  assert.match(outcome.text, /Kafka refused the commit of t: 27/);
  const { requests } = kafka;
  kafka.code = 0;
  await kafka.clock.advance(10_000);
  assert.equal(kafka.requests, requests);
});

test('what Kafka refuses for good is rejected at once', async () => {
  const kafka = world();
  kafka.code = UNKNOWN_MEMBER_ID;
  const outcome = kafka.commit(1);
  await kafka.clock.advance(1);
  assert.match(outcome.text, /refused/);
});

test('a coordinator that does not answer fails what was asked, and nothing of it is sent later', async () => {
  const kafka = world();
  kafka.code = undefined;
  const lost = kafka.commit(1);
  await kafka.clock.advance(3100);
  assert.match(lost.text, /no answer within 3000 ms/);
  kafka.code = 0;
  const next = kafka.commit(2);
  await kafka.clock.advance(10);
  assert.deepEqual([next.text, kafka.requests], ['committed', 2]);
});

test('what was given up while the coordinator was looked for is not sent once it is found', async () => {
  const kafka = world();
  const found = Promise.withResolvers<void>();
  kafka.context = found.promise;
  const late = kafka.commit(1);
  await kafka.clock.advance(3100);
  assert.match(late.text, /no answer/);
  found.resolve();
  await kafka.clock.advance(100);
  assert.equal(kafka.requests, 0);
});

test('a partition that was lost while the coordinator was looked for is not committed', async () => {
  const kafka = world();
  const found = Promise.withResolvers<void>();
  kafka.context = found.promise;
  const lost = kafka.commit(1);
  await kafka.clock.advance(100);
  kafka.isOver = true;
  found.resolve();
  await kafka.clock.advance(10);
  assert.match(lost.text, /the partition is lost/);
  assert.equal(kafka.requests, 0);
});
