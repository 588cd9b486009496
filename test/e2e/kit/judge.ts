import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_IN_FLIGHT } from './integrations.ts';
import type { NumberedLoad } from './numbered-load.ts';
import {
  copies,
  type Fault,
  lost,
  outOfOrder,
  type Repeat,
  repeats,
  repeatsAllowed,
  type Stored,
  storedOutOfOrder,
  unacknowledged,
  unexplained,
  unsent,
  withoutCopies,
} from './oracle.ts';
import type { System } from './system.ts';

/** What comes once more comes by then: at the next commit, or when a share that just moved is taken over. Milliseconds. */
const QUIET = 2000;

/**
 * Ends the load, waits for what was acknowledged, and judges all that Kafka has and all that arrived: nothing lost, nothing
 * out of order, and nothing twice that the faults do not explain; and every partition must have a reader. Prints the counts.
 * @param reordered integrations whose keys have moved to other partitions
 */
export async function judge(
  t: TestContext,
  system: System,
  load: NumberedLoad,
  faults: readonly Fault[],
  reordered: readonly string[] = [],
): Promise<void> {
  await load.stop();
  await system.arrived(load.acknowledged).catch(() => {}); // judged below
  await sleep(QUIET);
  const stored = await system.stored();
  // Both are judged before either may fail: what Kafka has tells where it began.
  const verdicts = [
    judgeStored(t, load, stored, faults),
    judgeArrivals(t, system, load, stored, faults, reordered),
  ];
  for (const verdict of verdicts) verdict();
  await system.everyPartitionIsRead();
}

function judgeStored(
  t: TestContext,
  load: NumberedLoad,
  stored: readonly Stored[],
  faults: readonly Fault[],
): () => void {
  const missing = lost(load.acknowledged, stored);
  const overtaken = storedOutOfOrder(stored);
  const copied = copies(stored);
  const odd = unsent(copied, load.resent);
  const allowed = unacknowledged(load.sent, load.acknowledged, faults);
  t.diagnostic(
    `Kafka: ${load.sent.length} sent, ${load.resent.length} of them again, ${load.acknowledged.length} acknowledged, ` +
      `${missing.length} of them lost, ${overtaken.length} out of order, ${copied.length} copied (${allowed} may, ` +
      `${odd.length} that no client sent)`,
  );
  return () => {
    assert.deepEqual(missing.slice(0, 20), [], 'Kafka does not have acknowledged messages');
    assert.deepEqual(overtaken.slice(0, 20), [], 'Kafka has messages after a later one of their client');
    assert.deepEqual(odd.slice(0, 20), [], 'Kafka has messages more often than they were sent');
    assert.ok(copied.length <= allowed, `Kafka has ${copied.length} copies, ${allowed} may be`);
  };
}

function judgeArrivals(
  t: TestContext,
  { sink: { arrivals } }: System,
  load: NumberedLoad,
  stored: readonly Stored[],
  faults: readonly Fault[],
  reordered: readonly string[],
): () => void {
  const missing = lost(load.acknowledged, arrivals);
  const overtaken = outOfOrder(arrivals).filter(({ integration }) => !reordered.includes(integration));
  const all = repeats(arrivals);
  const repeated = withoutCopies(all, stored);
  const odd = unexplained(repeated, faults);
  const allowed = repeatsAllowed(arrivals, faults, MAX_IN_FLIGHT);
  t.diagnostic(
    `delivered: ${missing.length} acknowledged lost, ${overtaken.length} out of order, ${repeated.length} came twice ` +
      `(${allowed} may, ${odd.length} unexplained), ${all.length - repeated.length} that Kafka has twice`,
  );
  return () => {
    assert.deepEqual(missing.slice(0, 20), [], 'acknowledged messages are lost');
    assert.deepEqual(overtaken.slice(0, 20), [], 'messages came after a later one of their client');
    assert.deepEqual(
      odd.slice(0, 20).map(line(faults)),
      [],
      'messages came twice that were committed, or met no fault',
    );
    assert.ok(repeated.length <= allowed, `${repeated.length} came twice, ${allowed} may`);
  };
}

/** For people: both deliveries, and how long after the last fault before the second they were. */
const line =
  (faults: readonly Fault[]) =>
  ({ before, again }: Repeat): string => {
    const fault = faults.findLast(({ at }) => at < again.at);
    const since = ({ node, at }: Repeat['again']) => `${node} ${Math.round(at - (fault?.at ?? 0))} ms`;
    const what = fault ? `the fault of ${fault.node ?? 'all'}` : 'the start';
    return `${again.client}/${again.n}: ${since(before)}, ${since(again)} after ${what}`;
  };
