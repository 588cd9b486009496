import type { Consumer } from 'kafkajs';
import type { TopicPartition } from '../bus.ts';

/** What kafkajs' consumer interface does not tell. */
export interface FetchWatcher {
  /** A node was asked for records and had none, of all the partitions it leads. */
  nothingFrom(node: number): void;
  /** A batch is over, one that held nothing but control records too: its partition's position is `position` now. */
  passed(partition: TopicPartition, position: number): void;
}

/** Reads from kafkajs' instrumentation how far a consumer is where no record says so. */
export function watchFetches(client: Consumer, watcher: FetchWatcher): void {
  interface Cycle {
    readonly answers: number;
    readonly batches: number;
    /** It did not fail: a failure has an answer and no records too. */
    ended: boolean;
  }
  const cycles = new Map<number, Cycle>();
  let answers = 0;
  let batches = 0;
  client.on(client.events.REQUEST, ({ payload }) => {
    if (payload.apiName === 'Fetch') answers++;
  });
  client.on(client.events.GROUP_JOIN, () => cycles.clear()); // after a stale leader, for one: the fetch told nothing
  client.on(client.events.FETCH, ({ payload }) => {
    const cycle = cycles.get(payload.nodeId);
    if (cycle) cycle.ended = true;
  });
  client.on(client.events.FETCH_START, ({ payload }) => {
    const last = cycles.get(payload.nodeId);
    if (last?.ended && answers > last.answers && batches === last.batches)
      watcher.nothingFrom(Number(payload.nodeId)); // kafkajs' typings are wrong: it is a string
    cycles.set(payload.nodeId, { answers, batches, ended: false });
  });
  client.on(client.events.END_BATCH_PROCESS, ({ payload }) => {
    batches++;
    watcher.passed(payload, Number(payload.lastOffset) + 1);
  });
}
