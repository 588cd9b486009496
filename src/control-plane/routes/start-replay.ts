import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type {
  Replay,
  StartReplayRequest,
  StartReplayResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { Caller } from '../../rpc/caller.ts';
import { failed, invalidArgument, type RpcError } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope, isInScope } from '../access/scope.ts';
import { kafkaError } from '../integrations/checks.ts';
import { requireTopic, unknownIntegration } from '../integrations/guards.ts';
import { replayRanges, requireRange } from '../replays/replay-range.ts';
import { isReplayInScope } from '../replays/replay-scope.ts';
import type { Database } from '../store/database.ts';
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
  const earlier = await earlierReplay(db, caller, request.requestId);
  if (earlier) return { replay: earlier };
  const sourceId = request.integrationId;
  const targetId = request.targetIntegrationId || sourceId;
  requireRange(request);
  const source = await findInScope(db, caller, sourceId);
  const target = await findIntegration(db, targetId);
  if (!target || !isInScope(caller, target.integration)) throw unknownTarget(targetId);
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
  const isSaved = await saveReplay(db, caller, { id, sourceId, targetId, request, ranges, createTime });
  const replay = isSaved && (await earlierReplay(db, caller, id));
  if (!replay) throw unknownIntegration(sourceId); // deleted, or out of scope, since it was found
  wakeReplays();
  return { replay };
}

/**
 * What a request with this id has started, if any has.
 * @throws RpcError PERMISSION_DENIED when that is not for the caller to see
 */
async function earlierReplay(db: Database, caller: Caller, id: string): Promise<Replay | undefined> {
  const replay = id === '' ? undefined : await findReplay(db, id);
  if (!replay || (await isReplayInScope(db, caller, replay))) return replay;
  const text = `the request_id ${id} cannot be used by ${caller.name}: take a new one`;
  throw failed(Code.PERMISSION_DENIED, 'OUT_OF_SCOPE', text);
}

function unknownTarget(id: string): RpcError {
  const description = `integration ${id} is not known`;
  return invalidArgument([{ field: 'target_integration_id', description, reason: 'NOT_FOUND' }]);
}
