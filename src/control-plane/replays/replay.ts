import { fromBinary } from '@bufbuild/protobuf';
import { type Envelope, EnvelopeSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import { StartReplayRequestSchema } from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { Bus, IncomingRecord } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { orderKey } from '../../contract/order-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import { chunksOf, Pace, rateOf, sendInOrder } from '../resend.ts';
import type { Queries } from '../store/database.ts';
import { findIntegration } from '../store/integrations.ts';
import { endJob, findJob, type Job, moveJob } from '../store/jobs.ts';

export interface ReplayDeps {
  readonly db: Queries;
  readonly bus: Pick<Bus, 'read' | 'send'>;
  readonly topics: Topics;
  readonly clock: Clock;
}

/**
 * Sends what is left of a replay. Holds to be the only one that does. Rejects when it cannot go on now.
 * @param movedOn is called whenever what was done is kept
 */
export async function runReplay(
  deps: ReplayDeps,
  id: string,
  signal: AbortSignal,
  movedOn: () => void,
): Promise<void> {
  const { db, bus, topics, clock } = deps;
  const job = await findJob(db, id);
  const target = job && (await findIntegration(db, job.targetId));
  if (!job || !target) return; // with the target, the replay ended
  const keyOf = job.targetId === job.sourceId ? originalKey : targetKey(target.integration);
  const rate = rateOf(fromBinary(StartReplayRequestSchema, job.request).maxRate);
  const pace = new Pace(rate, clock);
  const next = new Map([...job.ranges].map(([partition, { start }]) => [partition, start]));
  await bus.read({
    topic: topics.messages(job.sourceId).name,
    ranges: job.ranges,
    signal,
    async eachBatch(records) {
      for (const chunk of chunksOf(
        records.map((record) => ({ record })),
        rate,
      )) {
        await pace.wait(chunk.length, signal);
        await sendChunk(deps, job, chunk, keyOf, next);
        movedOn();
      }
    },
  });
  await endJob(
    db,
    id,
    new Date(clock.now()),
    (lost) => `${lost} messages were removed by Kafka's retention before they were read`,
  );
}

async function sendChunk(
  { db, bus, topics }: ReplayDeps,
  { id, targetId }: Job,
  chunk: readonly { readonly record: IncomingRecord }[],
  keyOf: (record: IncomingRecord) => string | null,
  next: Map<number, number>,
): Promise<void> {
  const records = chunk.map(({ record }) => ({ key: keyOf(record), value: record.value }));
  const { sent, failure } = await sendInOrder(bus, topics.messages(targetId).name, records);
  const last = chunk[sent - 1]?.record;
  if (last) {
    const { partition, offset } = last;
    const step = { partition, from: next.get(partition) ?? 0, to: offset + 1, count: sent };
    if (!(await moveJob(db, id, step))) throw new Error('another node has taken the replay over');
    next.set(partition, offset + 1);
  }
  if (failure !== undefined) throw failure;
}

const originalKey = (record: IncomingRecord) => record.key;

/** Keeps the order that the target keeps, which may be another than the source's. */
function targetKey({ delivery }: Integration): (record: IncomingRecord) => string | null {
  return (record) => {
    const envelope = envelopeOf(record);
    return envelope ? orderKey(delivery?.order, envelope) : record.key;
  };
}

function envelopeOf({ value }: IncomingRecord): Envelope | undefined {
  try {
    return value ? fromBinary(EnvelopeSchema, value) : undefined;
  } catch {
    return undefined;
  }
}
