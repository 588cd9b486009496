import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type {
  StartReplayRequest,
  StartReplayResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import { StartReplayRequestSchema } from '../../../gen/penstock/v1/replay_service_pb.ts';
import { failed, invalidArgument, type RpcError } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { differences } from '../audit/differences.ts';
import { kafkaError } from '../integrations/checks.ts';
import { requireTopic, unknownIntegration } from '../integrations/guards.ts';
import { replayRanges, requireRange } from '../replays/replay-range.ts';
import { findIntegration } from '../store/integrations.ts';
import { findReplay, runningReplayIds, saveReplay } from '../store/replays.ts';
import type { RouteDeps } from './deps.ts';

/** Of the whole installation. */
const MAX_RUNNING = 100;

export async function startReplay(
  deps: RouteDeps,
  request: StartReplayRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof StartReplayResponseSchema>> {
  const { db, bus, topics, clock, wakeReplays } = deps;
  const earlier = request.requestId && (await findReplay(db, request.requestId));
  if (earlier) return { replay: earlier };
  const sourceId = request.integrationId;
  const targetId = request.targetIntegrationId || sourceId;
  requireRange(request);
  const source = await findIntegration(db, sourceId);
  if (!source) throw unknownIntegration(sourceId);
  const target = await findIntegration(db, targetId);
  if (!target) throw unknownTarget(targetId);
  for (const one of [source, target]) requireTopic(one);
  if ((await runningReplayIds(db)).length >= MAX_RUNNING) {
    const text = `${MAX_RUNNING} replays are running: wait until one ends, or cancel one`;
    throw failed(Code.RESOURCE_EXHAUSTED, 'TOO_MANY_REPLAYS', text);
  }
  const ranges = await replayRanges(bus, topics.messages(sourceId).name, request).catch((error) => {
    throw kafkaError(error);
  });
  const id = request.requestId || randomUUID();
  const createTime = new Date(clock.now());
  const changes = differences(StartReplayRequestSchema, undefined, request, ['request_id']);
  const isSaved = await saveReplay(
    db,
    { id, sourceId, targetId, request, ranges, createTime },
    async (queries) => {
      await trailOf(caller)?.changed(queries, `replays/${id}`, changes);
    },
  );
  const replay = await findReplay(db, id);
  if (!isSaved || !replay) throw unknownIntegration(sourceId); // deleted since it was found
  wakeReplays();
  return { replay };
}

function unknownTarget(id: string): RpcError {
  const description = `integration ${id} is not known`;
  return invalidArgument([{ field: 'target_integration_id', description, reason: 'NOT_FOUND' }]);
}
