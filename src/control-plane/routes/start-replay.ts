import { randomUUID } from 'node:crypto';
import { type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import {
  type StartReplayRequest,
  StartReplayRequestSchema,
  type StartReplayResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import { failed, invalidArgument, type RpcError } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope, isInScope } from '../access/scope.ts';
import { differences } from '../audit/differences.ts';
import { kafkaError } from '../integrations/checks.ts';
import { requireTopic, unknownIntegration } from '../integrations/guards.ts';
import { earlierJob } from '../jobs/job-scope.ts';
import { toReplay } from '../jobs/shown-jobs.ts';
import { replayRanges, requireRange } from '../replays/replay-range.ts';
import { findIntegration } from '../store/integrations.ts';
import { runningJobs, saveJob } from '../store/jobs.ts';
import type { RouteDeps } from './deps.ts';

/** Of the whole installation. */
const MAX_RUNNING = 100;

export async function startReplay(
  deps: RouteDeps,
  request: StartReplayRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof StartReplayResponseSchema>> {
  const { db, bus, topics, clock, wakeJobs } = deps;
  const earlier = await earlierJob(db, caller, 'replay', request.requestId);
  if (earlier) return { replay: toReplay(earlier) };
  const sourceId = request.integrationId;
  const targetId = request.targetIntegrationId || sourceId;
  requireRange(request);
  const source = await findInScope(db, caller, sourceId);
  const target = await findIntegration(db, targetId);
  if (!target || !isInScope(caller, target.integration)) throw unknownTarget(targetId);
  for (const one of [source, target]) requireTopic(one);
  const running = (await runningJobs(db)).filter(({ kind }) => kind === 'replay');
  if (running.length >= MAX_RUNNING && !request.validateOnly) {
    const text = `${MAX_RUNNING} replays are running: wait until one ends, or cancel one`;
    throw failed(Code.RESOURCE_EXHAUSTED, 'TOO_MANY_REPLAYS', text);
  }
  const ranges = await replayRanges(bus, topics.messages(sourceId).name, request).catch((error) => {
    throw kafkaError(error);
  });
  const total = [...ranges.values()].reduce((sum, { start, end }) => sum + end - start, 0);
  if (request.validateOnly)
    return { replay: { ...rangeOf(request), targetIntegrationId: targetId, total: BigInt(total) } };
  const id = request.requestId || randomUUID();
  const job = {
    ...{ kind: 'replay' as const, id, sourceId, targetId, ranges, total },
    request: toBinary(StartReplayRequestSchema, request),
    createTime: new Date(clock.now()),
  };
  const changes = differences(StartReplayRequestSchema, undefined, request, ['request_id']);
  const isSaved = await saveJob(db, caller, job, changes);
  const replay = isSaved && (await earlierJob(db, caller, 'replay', id));
  if (!replay) throw unknownIntegration(sourceId); // deleted, or out of scope, since it was found
  wakeJobs();
  return { replay: toReplay(replay) };
}

const rangeOf = ({ integrationId, startTime, endTime, offsetRanges }: StartReplayRequest) => ({
  integrationId,
  ...(startTime && { startTime }),
  ...(endTime && { endTime }),
  offsetRanges,
});

function unknownTarget(id: string): RpcError {
  const description = `integration ${id} is not known`;
  return invalidArgument([{ field: 'target_integration_id', description, reason: 'NOT_FOUND' }]);
}
