import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { DeadLetterFilterSchema, RedriveSchema } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { ReplaySchema } from '../../gen/penstock/v1/replay_service_pb.ts';
import { type Job, JobSchema } from '../../gen/penstock/v1/watch_service_pb.ts';
import { FailureClass, RedriveState, ReplayState } from '../../src/client/contract.ts';
import { redrivesIn, renewed, replaysIn, withJobs, withoutLost } from '../../web/src/live/jobs.ts';
import { filterText, progressText } from '../../web/src/pages/dead-letters/redrive-text.ts';
import { withDeadLetters } from '../../web/src/pages/dead-letters/with-dead-letters.ts';

const { RUNNING, DONE, CANCELLED, FAILED } = RedriveState;
const redrive = (id: string, state: RedriveState, redriven = 0n) =>
  create(RedriveSchema, { id, state, redriven, total: 10n });
const replay = (id: string, state: ReplayState) =>
  create(ReplaySchema, { id, state, createTime: { seconds: BigInt(id.charCodeAt(0)) } });
const jobOf = (value: ReturnType<typeof redrive>): Job =>
  create(JobSchema, { job: { case: 'redrive', value } });
const told = (jobs: readonly Job[]) =>
  redrivesIn(jobs).map(({ id, state, redriven }) => `${id} ${state} ${redriven}`);

test('the states of replays and of redrives are numbered alike', () => {
  assert.deepEqual({ ...RedriveState }, { ...ReplayState });
});

test('jobs are kept as they were told last, and of those that ended the newest', () => {
  const first = withJobs([], [jobOf(redrive('a', RUNNING)), jobOf(redrive('b', RUNNING))]);
  const next = withJobs(first, [jobOf(redrive('a', RUNNING, 5n))]);
  assert.deepEqual(told(next), ['a 1 5', 'b 1 0']);
  const many = Array.from({ length: 150 }, (_, i) => jobOf(redrive(`e${i}`, DONE)));
  const kept = withJobs(next, many);
  assert.deepEqual([kept.length, told(kept)[0], told(kept).at(-1)], [102, 'a 1 5', 'e149 2 0']);
});

test('one that ran and is not told of by a new stream has ended meanwhile', () => {
  const known = withJobs(
    [],
    [jobOf(redrive('a', RUNNING)), jobOf(redrive('b', RUNNING)), jobOf(redrive('c', DONE))],
  );
  assert.deepEqual(told(withoutLost(known, new Set(['b']))), ['b 1 0', 'c 2 0']);
});

test('a list is as it was told since, with what began since before it', () => {
  const listed = [replay('b', ReplayState.RUNNING), replay('a', ReplayState.DONE)];
  const since = [
    replay('a', ReplayState.RUNNING), // of before it was listed
    replay('b', ReplayState.CANCELLED),
    replay('c', ReplayState.RUNNING),
    replay('d', ReplayState.RUNNING),
    replay('e', ReplayState.DONE),
    replay('B', ReplayState.DONE), // on another page
  ];
  assert.deepEqual(
    renewed(listed, since).map(({ id, state }) => `${id} ${state}`),
    ['e 2', 'd 1', 'c 1', 'b 3', 'a 2'],
  );
  assert.deepEqual(replaysIn([jobOf(redrive('a', RUNNING))]), []);
});

test('how far a redrive is, and which dead letters, in words', () => {
  const text = (init: object) => progressText(create(RedriveSchema, init));
  assert.equal(text({ state: RUNNING }), 'Counting what is to be put back…');
  assert.equal(text({ state: RUNNING, total: 1204n, redriven: 7n }), 'Putting back: 7 of 1,204');
  assert.equal(
    text({ state: DONE, total: 3n, redriven: 2n, reason: '1 was gone' }),
    'Put back: 2 of 3. 1 was gone.',
  );
  assert.equal(text({ state: CANCELLED, total: 3n, redriven: 2n }), 'Stopped. Put back: 2 of 3.');
  assert.equal(
    text({ state: FAILED, reason: 'no topic' }),
    'It failed: no topic. Put back before: 0 of an unknown number.',
  );
  const which = (init: object) => filterText(create(DeadLetterFilterSchema, init), 'UTC');
  assert.deepEqual([filterText(undefined, 'UTC'), which({})], ['all', 'all']);
  assert.equal(which({ ids: ['0-1', '0-2', '0-3', '0-4', '0-5'] }), '0-1, 0-2, 0-3 and 2 more');
  assert.equal(
    which({
      failureClasses: [FailureClass.TIMEOUT, FailureClass.REJECTED],
      topicFilter: 'a/+',
      clientId: 'c',
    }),
    'timeout, rejected\ntopic a/+\nclient c',
  );
});

test('integrations with dead letters, the most first', () => {
  const of = (name: string, deadLetters: bigint) =>
    create(IntegrationSchema, { name, status: { deadLetters } });
  const all = [
    of('c', 2n),
    of('none', 0n),
    of('b', 2n),
    of('a', 30n),
    create(IntegrationSchema, { name: 'new' }),
  ];
  assert.deepEqual(
    withDeadLetters(all).map(({ name }) => name),
    ['a', 'b', 'c'],
  );
});
