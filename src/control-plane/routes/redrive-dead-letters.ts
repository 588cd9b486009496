import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  RedriveDeadLettersRequest,
  RedriveDeadLettersResponseSchema,
} from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import type { Clock } from '../../runtime/clock.ts';
import { findInScope } from '../access/scope.ts';
import { countAgain } from '../dead-letters/dead-letter-counts.ts';
import { requireFilter } from '../dead-letters/dead-letter-filter.ts';
import { type RedriveProgress, redrive } from '../dead-letters/redrive.ts';
import { kafkaError } from '../integrations/checks.ts';
import { lockUnredriven, requireTopic } from '../integrations/guards.ts';
import type { RouteDeps } from './deps.ts';

type Answer = MessageInitShape<typeof RedriveDeadLettersResponseSchema>;

const PROGRESS_INTERVAL = 500;

export async function* redriveDeadLetters(
  deps: RouteDeps,
  request: RedriveDeadLettersRequest,
  call: CallContext,
): AsyncGenerator<Answer> {
  const { integrationId, filter } = request;
  requireFilter(filter);
  requireTopic(await findInScope(deps.db, call.caller, integrationId));
  await using lock = await lockUnredriven(deps, integrationId);
  await findInScope(deps.db, call.caller, integrationId); // the lock may have taken a while
  const stop = new AbortController();
  const signal = AbortSignal.any([call.signal, lock.signal, stop.signal]);
  const progress: RedriveProgress = { total: 0, redriven: 0 };
  const work = redrive(deps, request, progress, signal);
  try {
    while (!(await endsWithin(PROGRESS_INTERVAL, work, deps.clock))) yield answerOf(progress, false);
    yield answerOf(progress, true);
  } catch (error) {
    throw kafkaError(error);
  } finally {
    stop.abort(new Error('the caller went away'));
    // What is on its way to Kafka is marked before another redrive may begin.
    await work.catch(() => {});
    await countAgain(deps, integrationId).catch(() => {}); // else it is counted a little later
  }
}

function answerOf({ total, redriven }: RedriveProgress, done: boolean): Answer {
  return { total: BigInt(total), redriven: BigInt(redriven), done };
}

/** Whether the work has ended before the time is over. Rejects when the work does. */
async function endsWithin(ms: number, work: Promise<void>, clock: Clock): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const cancel = clock.setTimer(() => resolve(false), ms);
  try {
    return await Promise.race([work.then(() => true), promise]);
  } finally {
    cancel();
  }
}
