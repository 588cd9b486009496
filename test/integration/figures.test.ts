import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { durationMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import type { StatisticsSeries } from '../../gen/penstock/v1/statistics_service_pb.ts';
import { noteLagOfAll } from '../../src/control-plane/store/statistics-buckets.ts';
import { LATENCY_BOUNDS } from '../../src/runtime/latency.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { heardFrom, latencies, seconds, storingReports, tableOf, toldAt } from '../helpers/figures.ts';
import { nodeForTests } from '../helpers/nodes.ts';
import { report } from '../helpers/reports.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { asAdmin, OUTSIDE, scopedSystem } from '../helpers/scoped.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Ids that no other report has. */
const eventIds = Array.from(
  { length: 20 },
  (_, i) => `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
);

/** A control plane with an executor that is heard now, and a way to make integrations that were there long ago. */
async function systemForTests(t: TestContext) {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  nodeForTests(t, system);
  const reports = storingReports(t, system);
  const created = async (createTime = timestampFromMs(1000)) => {
    const { integration } = await system.client.createIntegration({ integration: HTTP });
    const config = toBinary(IntegrationSchema, create(IntegrationSchema, { createTime }));
    const sql = 'update integrations set config = config || $2 where id = $1';
    await reports.db.query(sql, [integration!.id, Buffer.from(config)]);
    return integration!.id;
  };
  return { ...system, reports, created };
}

const zeros = (from: number, to: number, lag: number) =>
  Array.from({ length: to - from }, (_, i) => [from + i, 0, 0, lag]);
const sumOf = (column: readonly bigint[]) => Number(column.reduce((sum, count) => sum + count, 0n));
const countsOf = ({ failures }: StatisticsSeries, failureClass: FailureClass) =>
  failures.find((one) => one.failureClass === failureClass)?.counts ?? [];

test('a series is the table that one reckons by hand, over restarts, a reset, an idle hour and a gap', async (t) => {
  const { reports, created, statistics, client } = await systemForTests(t);
  const base = Math.floor((Date.now() - 5 * HOUR) / MINUTE) * MINUTE;
  const at = (minute: number, second = 0) => base + minute * MINUTE + second * 1000;
  const window = { startTime: timestampFromMs(base), endTime: timestampFromMs(at(165)), maxBuckets: 1000 };
  const seriesOf = async (...integrationIds: string[]) =>
    (await statistics.queryStatistics({ ...window, integrationIds })).series;
  const [id, old] = [await created(), await created()];
  const [second, third] = [{ startTime: timestampFromMs(3000) }, { startTime: timestampFromMs(at(159)) }];
  const restarted = { nodeStartTime: timestampFromMs(at(69)) };
  const again = { nodeStartTime: timestampFromMs(at(159)) };
  const timeouts = (count: bigint) => ({ failures: [{ failureClass: FailureClass.TIMEOUT, count }] });
  const told = [
    toldAt(id, at(0, 10), { received: 12n, delivered: 10n, lag: 2n, ...latencies({ 3: 10n }) }),
    toldAt(id, at(0, 50), { received: 12n, delivered: 10n, lag: 3n, ...latencies({ 3: 10n }) }),
    toldAt(id, at(1, 10), {
      received: 27n,
      delivered: 25n,
      ...latencies({ 3: 10n, 5: 15n }),
      ...timeouts(2n),
    }),
    // Then nothing for an hour, since nothing changes.
    toldAt(id, at(62), {
      received: 36n,
      released: 4n,
      delivered: 36n,
      ...latencies({ 3: 21n, 5: 15n }),
      ...timeouts(2n),
    }),
    // The integration is started anew, and has soon counted more than before.
    toldAt(id, at(63), { received: 40n, delivered: 40n, ...latencies({ 1: 40n }), ...second }),
    // The executor is.
    toldAt(id, at(70), { received: 41n, delivered: 41n, ...latencies({ 1: 41n }), ...second }, restarted),
    // Nobody is heard for an hour, then another run.
    toldAt(
      id,
      at(160, 30),
      { received: 7n, delivered: 3n, lag: 4n, ...latencies({ 17: 3n }), ...third },
      again,
    ),
    toldAt(
      id,
      at(161, 30),
      { received: 7n, delivered: 5n, lag: 2n, ...latencies({ 17: 5n }), ...third },
      again,
    ),
  ];
  // One that tells neither when it began nor how long anything took.
  const untold = [5n, 9n, 4n].map((delivered, i) =>
    toldAt(old, at(10 + i), { received: delivered, delivered, startTime: undefined }),
  );
  await reports.stores(...heardFrom(base, at(100)));
  for (const one of [...told, ...untold]) await reports.stores(one);
  await reports.stores(...heardFrom(at(160), at(166)));

  const table = [
    ...[[0, 12, 10, 3], [1, 15, 15, 0], ...zeros(2, 62, 0), [62, 13, 11, 0], [63, 40, 40, 0]],
    ...[...zeros(64, 70, 0), [70, 41, 41, 0], ...zeros(71, 101, 0)],
    ...[[160, 7, 3, 4], [161, 0, 2, 2], ...zeros(162, 165, 2)],
  ];
  const holds = async () => {
    const [one, other] = await seriesOf(id, old);
    assert.deepEqual(tableOf(one!, base, 'received', 'delivered', 'lag'), table);
    assert.equal(durationMs(one!.bucket!), MINUTE);
    assert.deepEqual(
      one!.latency.map(({ counts }) => sumOf(counts)),
      table.map(([, , delivered]) => delivered),
    );
    assert.deepEqual(
      one!.latency.slice(0, 2).map(({ counts }) => counts),
      [
        [0n, 0n, 0n, 10n],
        [0n, 0n, 0n, 0n, 0n, 15n],
      ],
    );
    assert.equal(one!.latency[table.findIndex(([minute]) => minute === 160)]!.counts[17], 3n);
    assert.deepEqual(
      [...countsOf(one!, FailureClass.TIMEOUT).entries()].filter(([, count]) => count > 0n),
      [[1, 2n]],
    );
    assert.equal(one!.failures.length, 1);
    assert.equal(sumOf(one!.released), 4);
    const delivered = tableOf(other!, base, 'delivered').filter(([, count]) => count! > 0);
    assert.deepEqual(delivered, [
      [10, 5],
      [11, 4],
      [12, 4],
    ]);
    const [all] = await seriesOf();
    assert.equal(all!.integrationId, '');
    assert.deepEqual(all!.startSeconds, one!.startSeconds);
    assert.deepEqual(
      all!.delivered,
      one!.delivered.map((count, i) => count + other!.delivered[i]!),
    );
  };
  await holds();
  // Read again: as a whole, in parts, by two at once; and written to Kafka a second time.
  const end = reports.log.length;
  await reports.read(0, end);
  await Promise.all([reports.read(3, end - 2), reports.read(0, end)]);
  await holds();
  await reports.stores(...told.slice(-2));
  for (const one of told.slice(-2)) await reports.stores(one);
  await holds();

  await t.test('and is the same when all of it is stored at once, after PostgreSQL was away', async () => {
    const late = await created();
    const records = [...told.entries()].map(([i, record]) => ({
      ...record,
      integrationId: late,
      eventId: eventIds[i]!,
    }));
    await reports.stores(...records);
    const [one] = await seriesOf(late);
    assert.deepEqual(tableOf(one!, base, 'received', 'delivered', 'lag'), table);
  });

  await t.test('buckets are as wide as it takes, and none is lost', async () => {
    const [wide] = (await statistics.queryStatistics({ ...window, maxBuckets: 10, integrationIds: [id] }))
      .series;
    assert.equal(durationMs(wide!.bucket!), 20 * MINUTE);
    assert.ok(wide!.startSeconds.length <= 10);
    const column = (index: number) => table.reduce((sum, row) => sum + row[index]!, 0);
    assert.equal(sumOf(wide!.delivered), column(2));
    assert.equal(sumOf(wide!.received), column(1));
    assert.equal(sumOf(wide!.latency.flatMap(({ counts }) => counts)), column(2));
  });

  await t.test('of before its creation there is nothing', async () => {
    const young = await created(timestampFromMs(at(162, 30)));
    const [one] = await seriesOf(young);
    const delivered = tableOf(one!, base, 'delivered');
    assert.deepEqual(delivered, [
      [162, 0],
      [163, 0],
      [164, 0],
    ]);
  });

  await t.test('a deleted integration takes its history along', async () => {
    const rows = () => reports.db.query('select from statistics_buckets where integration_id = $1', [old]);
    assert.equal((await rows()).length, 3);
    await client.deleteIntegration({ id: old });
    assert.deepEqual(await rows(), []);
    assert.equal((await rpcRejection(() => seriesOf(old))).code, Code.NOT_FOUND);
  });
});

test('figures of now: rates of the last interval, nothing of who is idle or gone, page by page', async (t) => {
  const { reports, created, statistics, client } = await systemForTests(t);
  const ids = [await created(), await created(), await created(), await created()].toSorted();
  const [busy, idle, gone, silent] = ids as [string, string, string, string];
  const now = Date.now();
  const nodeStartTime = timestampFromMs(now);
  const interval = seconds(10);
  const started = (id: string, serviceId = 'e1') => report(id, { nodeStartTime, serviceId });
  const told = (id: string, time: number, value: Parameters<typeof toldAt>[2], serviceId = 'e1') =>
    toldAt(id, time, { interval, ...value }, { nodeStartTime, serviceId });
  const failures = (count: bigint) => [{ failureClass: FailureClass.REJECTED, count }];
  await reports.stores(
    ...[busy, idle, silent].map((id) => started(id)),
    started(gone, 'e-gone'),
    // A minute ago, so the interval is what counts.
    told(busy, now - 60_000, {
      received: 100n,
      delivered: 100n,
      ...latencies({ 3: 100n }),
      failures: failures(5n),
    }),
    told(idle, now - 60_000, { received: 100n, delivered: 90n, lag: 10n, inFlight: 10n }),
    told(
      gone,
      now,
      { received: 100n, delivered: 90n, lag: 10n, lastDeliveredTime: timestampFromMs(now - 5) },
      'e-gone',
    ),
  );
  const more = { received: 160n, delivered: 150n, lag: 12n, inFlight: 10n, oldestAge: seconds(3) };
  await reports.stores(told(busy, now, { ...more, ...latencies({ 3: 150n }), failures: failures(25n) }));
  await waitUntil('the executor is heard', async () => {
    const { figures } = await statistics.listFigures({ integrationIds: [busy] });
    return figures[0]!.interval !== undefined;
  });
  const { figures } = await statistics.listFigures({});
  assert.deepEqual(
    figures.map(({ integrationId }) => integrationId),
    ids,
  );
  const of = (id: string) => figures.find(({ integrationId }) => integrationId === id)!;
  const one = of(busy);
  assert.deepEqual(
    [one.receivedRate, one.deliveredRate, one.failedRate, one.deadLetteredRate, one.skippedRate],
    [6, 5, 2, 0, 0],
  );
  assert.deepEqual(
    [one.lag, one.inFlight, durationMs(one.oldestAge!), durationMs(one.interval!)],
    [12n, 10n, 3000, 10_000],
  );
  assert.deepEqual(
    [one.p50, one.p95, one.p99].map((p) => p!.nanos / 1e6),
    [7.5, 9.75, 9.95],
  );
  const [lower, upper] = [LATENCY_BOUNDS[2]!, LATENCY_BOUNDS[3]!].map((bound) => bound * 1000);
  assert.ok(durationMs(one.p95!) > lower! && durationMs(one.p95!) <= upper!, 'within its bucket of /metrics');
  assert.deepEqual(one.time, timestampFromMs(now));
  assert.deepEqual([of(idle).deliveredRate, of(idle).lag, of(idle).p95], [0, 10n, undefined]);
  assert.deepEqual([of(gone).interval, of(gone).lag], [undefined, undefined], 'its executor is not heard');
  assert.deepEqual(of(gone).lastDeliveredTime, timestampFromMs(now - 5));
  assert.deepEqual([of(silent).interval, of(silent).time], [undefined, undefined], 'it told no figures');

  // Reports that are stored together are a longer interval, and no more in each second of it.
  await reports.stores(
    told(busy, now + 1, { ...more, delivered: 250n, failures: failures(25n) }),
    told(busy, now + 2, { ...more, delivered: 350n, failures: failures(25n) }),
  );
  const [both] = (await statistics.listFigures({ integrationIds: [busy] })).figures;
  assert.deepEqual([both!.deliveredRate, durationMs(both!.interval!)], [10, 20_000]);

  const first = await statistics.listFigures({ pageSize: 3 });
  assert.deepEqual(
    first.figures.map(({ integrationId }) => integrationId),
    ids.slice(0, 3),
  );
  await client.deleteIntegration({ id: ids[0]! });
  const second = await statistics.listFigures({ pageSize: 3, pageToken: first.nextPageToken });
  assert.deepEqual(
    [second.figures.map(({ integrationId }) => integrationId), second.nextPageToken],
    [ids.slice(3), ''],
  );
  const foreign = { integrationIds: [busy], pageToken: first.nextPageToken };
  assert.deepEqual((await rpcRejection(() => statistics.listFigures(foreign))).fields, ['page_token']);
});

test('the sum of a caller with a scope is that of what is in it', async (t) => {
  const { statistics, made, said, tokenOf } = await scopedSystem(t);
  const [inside, also, outside] = [await made(), await made(), await made(OUTSIDE)];
  const now = Date.now();
  const counts = [
    [inside.id, 3n],
    [also.id, 40n],
    [outside.id, 500n],
  ] as const;
  for (const [id, delivered] of counts) {
    await said(
      toldAt(id, now, { delivered, lag: delivered, failures: [{ failureClass: 3, count: 2n * delivered }] }),
    );
  }
  const scoped = await tokenOf(Role.VIEWER);
  const sums = async (as: typeof scoped, integrationIds: string[] = []) => {
    const { series } = await statistics.queryStatistics({ integrationIds }, as);
    return series.map((one) => [one.integrationId, sumOf(one.delivered), sumOf(countsOf(one, 3))]);
  };
  await waitUntil('all are stored', async () => (await sums(asAdmin))[0]![1] === 543);
  assert.deepEqual(await sums(scoped), [['', 43, 86]]);
  assert.deepEqual(await sums(asAdmin), [['', 543, 1086]]);
  assert.deepEqual(await sums(scoped, [also.id, inside.id]), [
    [also.id, 40, 80],
    [inside.id, 3, 6],
  ]);
  const [all] = (await statistics.queryStatistics({}, scoped)).series;
  assert.equal(
    all!.lag.findLast((lag) => lag >= 0n),
    43n,
  );
});

test('what waits is of all shards, also of those that told it before; of all together it is noted now and then', async (t) => {
  const { reports, created, statistics } = await systemForTests(t);
  const id = await created();
  const now = Date.now();
  const nodeStartTime = timestampFromMs(now);
  const told = (shard: number, time: number, lag: bigint) =>
    toldAt(id, time, { lag }, { nodeStartTime, shard, serviceId: 'e1' });
  const lagsOf = async (integrationIds: string[], from: number, until: number) => {
    const window = { startTime: timestampFromMs(from), endTime: timestampFromMs(until) };
    const { series } = await statistics.queryStatistics({ ...window, integrationIds });
    return series[0]!.lag.map(Number);
  };
  await reports.stores(told(0, now, 5n));
  await reports.stores(told(1, now + 1, 7n));
  assert.equal((await lagsOf([id], now - MINUTE, now + MINUTE)).at(-1), 12);
  await waitUntil('the executor is known', async () => {
    await noteLagOfAll(reports.db, new Date());
    return (await lagsOf([], now - MINUTE, now + MINUTE)).at(-1) === 12;
  });

  // Where nothing is told any more it stays what it was, also where a window begins long after.
  const old = await created();
  const base = Math.floor((now - 3 * HOUR) / MINUTE) * MINUTE;
  await reports.stores(...heardFrom(base, base + HOUR), toldAt(old, base, { lag: 9n }));
  const later = await lagsOf([old], base + 30 * MINUTE, base + 33 * MINUTE);
  assert.deepEqual(later, [9, 9, 9]);
});
