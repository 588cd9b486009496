import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { NodeSchema } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { cpuText, memoryText, ratesOf } from '../../web/src/pages/nodes/node-rates.ts';

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
  assert.deepEqual([cpuText(0.754), memoryText(1_610_612_736n)], ['75 %', '1,536 MiB']);
});
