import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { NodeSchema } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { withGone } from '../../web/src/pages/nodes/gone.ts';
import { memoryText, mqttText, ratesOf, shareText } from '../../web/src/pages/nodes/node-rates.ts';

const node = (seen: bigint, cpuSeconds: number, takenIn: bigint, start = 1n) =>
  create(NodeSchema, {
    serviceId: 'n',
    startTime: { seconds: start },
    lastSeenTime: { seconds: seen },
    figures: { cpuSeconds, takenIn },
  });

test('what a node does is told by two reports of one run', () => {
  assert.deepEqual(ratesOf(node(10n, 1, 100n), node(12n, 2.5, 300n)), { cpu: 0.75, takenIn: 100 });
  assert.equal(ratesOf(undefined, node(12n, 2, 3n)), undefined);
  assert.equal(ratesOf(node(12n, 1, 1n), node(12n, 2, 3n)), undefined, 'the same report');
  assert.equal(ratesOf(node(10n, 9, 9n), node(12n, 1, 1n, 11n)), undefined, 'it was started again');
  assert.equal(ratesOf(node(10n, 1, 1n), create(NodeSchema, { serviceId: 'n' })), undefined);
  const big = create(NodeSchema, {
    figures: { rssBytes: 1_610_612_736n, mqttConnections: 1200n },
    roles: [2],
  });
  const rates = { cpu: 0.754, takenIn: 2 };
  assert.deepEqual([shareText(rates), memoryText(big)], ['75 %', '1,536 MiB']);
  assert.equal(mqttText(big, rates), '1,200 open, 2.0/s');
  assert.equal(mqttText({ ...big, roles: [3] }, rates), '–');
});

test('a node that is gone is kept for an hour, and one that comes back is itself', () => {
  const called = (serviceId: string, seen: bigint) =>
    create(NodeSchema, { serviceId, lastSeenTime: { seconds: seen } });
  const first = withGone(new Map(), [called('a', 100n), called('b', 100n)], 100_000);
  const second = withGone(first, [called('a', 3000n)], 3_000_000);
  assert.deepEqual(
    [...second.values()].map((one) => [one.serviceId, one.lastSeenTime?.seconds]),
    [
      ['a', 3000n],
      ['b', 100n],
    ],
  );
  assert.deepEqual([...withGone(second, [called('a', 3700n)], 3_700_001).keys()], ['a']);
  assert.equal(withGone(second, [called('b', 3500n)], 3_500_000).get('b')?.lastSeenTime?.seconds, 3500n);
});
