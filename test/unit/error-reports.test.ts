import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { ErrorReports } from '../../src/executor/uplink/error-reports.ts';
import type { Report, Subject } from '../../src/executor/uplink/reporter.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const { UNAVAILABLE, TIMEOUT, REJECTED } = FailureClass;

function setUp(limit: number) {
  const clock = new ManualClock();
  const metrics = createMetrics();
  const told: Record<string, unknown>[] = [];
  const reporter = {
    tell: (_: Subject, { case: kind, value }: Report) => told.push({ kind, ...value }),
  };
  const subject = () => ({ integrationId: 'i', shard: 0, generation: 1n });
  const reports = new ErrorReports(subject, limit, { clock, metrics, reporter });
  const fail = (failureClass: FailureClass, message = 'x', givenUp = false) =>
    reports.report({ failureClass, message, topicName: 't', givenUp });
  const counts = () => told.splice(0).map(({ message, count }) => `${message}:${count}`);
  const suppressed = async () => (await metrics.suppressed.get()).values[0]?.value ?? 0;
  return { clock, reports, fail, counts, told, suppressed };
}

test('failures of one kind within a second share a report: the last one, and how many they were', () => {
  const { clock, fail, told } = setUp(100);
  for (let i = 0; i < 500; i++) fail(UNAVAILABLE, `m${i}`);
  fail(UNAVAILABLE, 'last', true);
  fail(TIMEOUT);
  assert.deepEqual(told, []);
  clock.advance(1000);
  const shared = { kind: 'error', topicName: 't' };
  assert.deepEqual(told, [
    { ...shared, failureClass: UNAVAILABLE, message: 'm499', givenUp: false, count: 500n },
    { ...shared, failureClass: UNAVAILABLE, message: 'last', givenUp: true, count: 1n },
    { ...shared, failureClass: TIMEOUT, message: 'x', givenUp: false, count: 1n },
  ]);
  assert.equal(clock.timers, 0);
});

test('what is beyond the limit of a minute is counted into the next report', () => {
  const { clock, fail, counts } = setUp(3);
  for (let second = 0; second < 60; second++) {
    fail(REJECTED, `s${second}`);
    clock.advance(1000);
  }
  assert.deepEqual(counts(), ['s0:1', 's1:1', 's2:1']);
  clock.advance(1000);
  assert.deepEqual(counts(), ['s59:57']);
  assert.equal(clock.timers, 0);
});

test('a stop sends what is collected', async () => {
  const { clock, reports, fail, counts, suppressed } = setUp(100);
  fail(REJECTED);
  reports.stop();
  assert.deepEqual(counts(), ['x:1']);
  assert.equal(await suppressed(), 0);
  assert.equal(clock.timers, 0);
});

test('a stop counts what the limit holds back', async () => {
  const { clock, reports, fail, counts, suppressed } = setUp(1);
  fail(REJECTED, 'one');
  clock.advance(1000);
  fail(TIMEOUT, 'two');
  fail(REJECTED, 'three');
  reports.stop();
  assert.deepEqual(counts(), ['one:1']);
  assert.equal(await suppressed(), 2);
  assert.equal(clock.timers, 0);
});
