import { randomUUID } from 'node:crypto';
import { type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import {
  type StartRedriveRequest,
  StartRedriveRequestSchema,
  type StartRedriveResponseSchema,
} from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { Caller } from '../../rpc/caller.ts';
import { failed } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope } from '../access/scope.ts';
import { differences } from '../audit/differences.ts';
import { requireFilter } from '../dead-letters/dead-letter-filter.ts';
import { deadLetterRanges } from '../dead-letters/dead-letters.ts';
import { countDeadLetters } from '../dead-letters/redrive.ts';
import { kafkaError } from '../integrations/checks.ts';
import { redriveRunning, requireTopic, unknownIntegration } from '../integrations/guards.ts';
import { earlierJob } from '../jobs/job-scope.ts';
import { toRedrive } from '../jobs/shown-jobs.ts';
import { type JobRow, runningJobs, saveJob } from '../store/jobs.ts';
import type { RouteDeps } from './deps.ts';

type Answer = MessageInitShape<typeof StartRedriveResponseSchema>;

/** Of the whole installation. */
const MAX_RUNNING = 100;

export async function startRedrive(
  deps: RouteDeps,
  request: StartRedriveRequest,
  { caller, signal }: CallContext,
): Promise<Answer> {
  const { db } = deps;
  const { integrationId, requestId } = request;
  const earlier = await earlierJob(db, caller, 'redrive', requestId);
  if (earlier) return { redrive: toRedrive(earlier) };
  requireFilter(request.filter);
  requireTopic(await findInScope(db, caller, integrationId));
  if (request.validateOnly) return counted(deps, request, signal);
  const running = (await runningJobs(db)).filter(({ kind }) => kind === 'redrive');
  if (running.length >= MAX_RUNNING) {
    const text = `${MAX_RUNNING} redrives are running: wait until one ends, or cancel one`;
    throw failed(Code.RESOURCE_EXHAUSTED, 'TOO_MANY_REDRIVES', text);
  }
  const redrive = toRedrive(await started(deps, request, caller));
  deps.wakeJobs();
  return { redrive };
}

async function counted(deps: RouteDeps, request: StartRedriveRequest, signal: AbortSignal): Promise<Answer> {
  const { integrationId, filter, maxRate } = request;
  try {
    const ranges = await deadLetterRanges(deps, integrationId);
    const total = await countDeadLetters(deps, { integrationId, filter, ranges }, signal);
    return { redrive: { integrationId, ...(filter && { filter }), maxRate, total: BigInt(total) } };
  } catch (error) {
    throw kafkaError(error);
  }
}

async function started(deps: RouteDeps, request: StartRedriveRequest, caller: Caller): Promise<JobRow> {
  const { db, clock } = deps;
  const { integrationId } = request;
  const id = request.requestId || randomUUID();
  const ranges = await deadLetterRanges(deps, integrationId).catch((error) => {
    throw kafkaError(error);
  });
  const job = {
    ...{ kind: 'redrive' as const, id, sourceId: integrationId, targetId: integrationId, total: undefined },
    request: toBinary(StartRedriveRequestSchema, request),
    ranges: new Map([...ranges].filter(([, { start, end }]) => start < end)),
    createTime: new Date(clock.now()),
  };
  const changes = differences(StartRedriveRequestSchema, undefined, request, ['request_id']);
  if (!(await saveJob(db, caller, job, changes))) {
    await findInScope(db, caller, integrationId); // it may be deleted, or out of scope, since it was found
    throw redriveRunning(integrationId);
  }
  const row = await earlierJob(db, caller, 'redrive', id);
  if (!row) throw unknownIntegration(integrationId);
  return row;
}
