import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import {
  type IntegrationFigures,
  IntegrationFiguresSchema,
} from '../../gen/penstock/v1/statistics_service_pb.ts';
import { figuresNow } from '../../src/control-plane/figures/figures-now.ts';
import { RESULTS } from '../../src/control-plane/status/counters.ts';
import { LATENCY_BUCKETS, latencyQuantile } from '../../src/runtime/latency.ts';
import { clusterOf, knownNode } from '../helpers/nodes.ts';

const NOW = 1_800_000_000_000;

test('figures of now can be sent, whatever the deliveries took', () => {
  const counts = fc.array(fc.nat(1000), { minLength: LATENCY_BUCKETS, maxLength: LATENCY_BUCKETS });
  fc.assert(
    fc.property(counts, (latencies) => {
      const counters = [...RESULTS.map(() => 0), ...latencies];
      const told = {
        ...{ integrationId: 'i', shard: 0, serviceId: 'e1', nodeStartTime: undefined, time: new Date(NOW) },
        ...{ isRunning: true, lag: 0, oldestAgeMs: undefined, inFlight: 0, lastDeliveredTime: undefined },
        ...{ intervalMs: 10_000, run: 'r', counters, before: undefined },
      };
      const figures = create(
        IntegrationFiguresSchema,
        figuresNow('i', [told], clusterOf(knownNode('e1')), NOW),
      );
      assert.ok(toBinary(IntegrationFiguresSchema, figures).length > 0);
      const shown = ({ p50, p95, p99 }: IntegrationFigures) =>
        [p50, p95, p99].map((p) => p && Number(p.seconds) * 1e6 + p.nanos / 1000);
      const rates = latencies.map((count) => (count * 1000) / 10_000);
      const expected = [0.5, 0.95, 0.99].map((share) => latencyQuantile(rates, share));
      assert.deepEqual(
        shown(figures),
        expected.map((seconds) => seconds && Math.round(seconds * 1e6)),
      );
    }),
  );
});
