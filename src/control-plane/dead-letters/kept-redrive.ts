import { fromBinary } from '@bufbuild/protobuf';
import { StartRedriveRequestSchema } from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import { endJob, findJob, type Job, keepTotal, moveJob } from '../store/jobs.ts';
import { markRedriven } from '../store/redriven.ts';
import { countAgain } from './dead-letter-counts.ts';
import { deadLetterRanges } from './dead-letters.ts';
import { countDeadLetters, putBack, type RedriveDeps } from './redrive.ts';
import { noticeRemoved } from './removed-dead-letters.ts';

/**
 * Puts back what is left of a redrive that was started. Holds to be the only one of its integration. Rejects when it cannot go
 * on now.
 * @param movedOn is called whenever what was done is kept
 */
export async function runRedrive(
  deps: RedriveDeps,
  id: string,
  signal: AbortSignal,
  movedOn: () => void,
): Promise<void> {
  const job = await findJob(deps.db, id);
  if (!job) return;
  try {
    await goOn(deps, job, signal, movedOn);
  } finally {
    await countAgain(deps, job.sourceId).catch(() => {}); // else it is counted a little later
  }
}

async function goOn(deps: RedriveDeps, job: Job, signal: AbortSignal, movedOn: () => void): Promise<void> {
  const { db, clock } = deps;
  const { id, sourceId: integrationId, ranges } = job;
  const { filter, maxRate } = fromBinary(StartRedriveRequestSchema, job.request);
  const options = { integrationId, filter, maxRate, ranges };
  await noticeRemoved(deps, integrationId, await deadLetterRanges(deps, integrationId));
  // Nothing is put back before it is known of how many.
  if (job.total === undefined) {
    await keepTotal(db, id, await countDeadLetters(deps, options, signal));
    movedOn();
  }
  const next = new Map([...ranges].map(([partition, { start }]) => [partition, start]));
  await putBack(deps, options, signal, async ({ partition, offsets, time }) => {
    const to = offsets.at(-1)! + 1;
    const step = { partition, from: next.get(partition) ?? 0, to, count: offsets.length };
    const isOurs = await db.transaction(async (queries) => {
      await markRedriven(queries, integrationId, partition, offsets, time); // Kafka has them, whoever goes on
      return moveJob(queries, id, step);
    });
    next.set(partition, to);
    movedOn();
    return isOurs;
  });
  await endJob(
    db,
    id,
    new Date(clock.now()),
    (lost) => `${lost} dead letters were gone before they were put back`,
  );
}
