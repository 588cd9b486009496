import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { EventKind } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { LifecycleAction, type UplinkRecord } from '../../gen/penstock/v1/uplink_pb.ts';
import { foldReports } from '../../src/control-plane/status/fold.ts';
import { encodedReport, failedStart, report } from '../helpers/reports.ts';

const ID = '2c8a0b51-8a67-4f0e-8f9a-0d6a3c1f2b10';
const NOW = 1_800_000_000_000;
const at = (ms: number) => timestampFromMs(NOW + ms);
const fold = (...records: UplinkRecord[]) =>
  foldReports(
    records.map((record, offset) => ({ record, bytes: encodedReport(record), offset })),
    NOW,
  );

test('of each shard on each executor only the newest state is left, but every event', () => {
  const { states, events } = fold(
    report(ID, { time: at(-3), generation: 2n, report: failedStart('newer generation') }),
    report(ID, { time: at(-2) }),
    report(ID, { time: at(-1), serviceId: 'e2' }),
  );
  assert.deepEqual(
    states.map(({ serviceId, reason }) => [serviceId, reason]),
    [
      ['e1', 'newer generation'],
      ['e2', ''],
    ],
  );
  assert.deepEqual(
    events.map(({ kind }) => kind),
    Array(3).fill(EventKind.LIFECYCLE),
  );
});

test('of two reports the one that came last counts, also when the clock was set back in between', () => {
  for (const time of [at(-1), at(-3_600_000)]) {
    const { states } = fold(report(ID, { time: at(-1) }), report(ID, { time, report: failedStart('last') }));
    assert.deepEqual(
      states.map(({ reason, offset }) => [reason, offset]),
      [['last', 1]],
    );
  }
});

test('a stop means that it does not run there, whatever state goes with it', () => {
  const stopped = { action: LifecycleAction.STOPPED, success: true, state: IntegrationState.ACTIVE };
  const { states } = fold(report(ID, { report: { case: 'lifecycle', value: stopped } }));
  assert.equal(states[0]?.state, IntegrationState.UNSPECIFIED);
});

test('a report without a state is read by its success', () => {
  const started = (success: boolean) => ({
    case: 'lifecycle' as const,
    value: { action: LifecycleAction.STARTED, success },
  });
  assert.equal(fold(report(ID, { report: started(true) })).states[0]?.state, IntegrationState.ACTIVE);
  assert.equal(fold(report(ID, { report: started(false) })).states[0]?.state, IntegrationState.FAILED);
});

test('a report from the future counts as one of now', () => {
  assert.equal(fold(report(ID, { time: at(60_000) })).states[0]?.time.getTime(), NOW);
});

test('text that PostgreSQL cannot hold is made fit', () => {
  const { states } = fold(report(ID, { serviceId: 'e\0', report: failedStart('a\0b') }));
  assert.deepEqual([states[0]?.serviceId, states[0]?.reason], ['e', 'ab']);
});

test('of each node only the newest report is left, and none becomes an event', () => {
  const node = (serviceId: string, start: number, time: number, stopping = false) =>
    report('', {
      serviceId,
      time: at(time),
      report: { case: 'node', value: { startTime: at(start), stopping } },
    });
  const { nodes, events } = fold(
    node('e1', -50, -10),
    node('e2', -50, -10),
    node('e1', -90, -5, true), // of the run before
    node('e2', -50, -5, true),
    node('e1', -50, -20, true),
  );
  assert.deepEqual(
    nodes.map(({ serviceId, startTime, stopping }) => [serviceId, startTime.getTime() - NOW, stopping]),
    [
      ['e1', -50, false],
      ['e2', -50, true],
    ],
  );
  assert.deepEqual(events, []);
});
