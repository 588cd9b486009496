import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type {
  CreateIntegrationRequest,
  CreateIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { failed, notFound } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { isInScope, requestKey, requireStaysInScope } from '../access/scope.ts';
import { answerOf, loadAnswer } from '../integrations/answer.ts';
import { kafkaError, validate } from '../integrations/checks.ts';
import { requireSecrets, requireValid, requireWithinLimits } from '../integrations/guards.ts';
import { untilReceiving } from '../integrations/receiving.ts';
import { firstRevision } from '../integrations/revision.ts';
import { sealedAs } from '../integrations/sealing.ts';
import { shardsOf } from '../outbox/downlink.ts';
import type { Reports } from '../status/status.ts';
import { saveNew } from '../store/changes.ts';
import { findCreated, type StoredIntegration } from '../store/integrations.ts';
import { loadCluster } from '../store/nodes.ts';
import { planTopicDeletion } from '../store/topic-deletions.ts';
import type { RouteDeps } from './deps.ts';

type Answer = MessageInitShape<typeof CreateIntegrationResponseSchema>;

const NO_REPORTS: Reports = { states: [], statistics: [] };

/** How long a request id is remembered. */
const DAY = 86_400_000;
/** Longer than any creation takes: until then a topic without an integration may still get one. */
const ORPHAN_DELAY = 600_000;

export async function createIntegration(
  deps: RouteDeps,
  request: CreateIntegrationRequest,
  call: CallContext,
): Promise<Answer> {
  const { db, topics, clock, wakeRelay } = deps;
  const requestId = request.requestId ? requestKey(call.caller, request.requestId) : undefined;
  const since = new Date(clock.now() - DAY);
  const earlier = requestId && (await findCreated(db, requestId, since));
  if (earlier) return await createdBefore(deps, earlier, call);

  const id = randomUUID();
  const draft = firstRevision(request.integration!, id, clock.now());
  requireSecrets(request.integration!);
  requireValid(draft.integration);
  requireStaysInScope(call.caller, draft.integration);
  requireWithinLimits(draft.integration, deps.limits);
  const sealed = sealedAs(draft, deps.secretKeys());
  await validate(deps, sealed, call);
  if (request.validateOnly) return { integration: answerOf(sealed, NO_REPORTS, await loadCluster(db)) };

  await createMessageTopic(deps, draft);
  // Lists are ordered by the time of creation: it must not be older than what lists have shown already.
  const stored = sealedAs(firstRevision(request.integration!, id, clock.now()), deps.secretKeys());
  const answer = answerOf(stored, NO_REPORTS, await loadCluster(db));
  call.signal.throwIfAborted(); // a caller who was told that it failed finds nothing saved
  const isNew = await saveNew(db, topics, call.caller, stored, requestId, since);
  wakeRelay();
  if (isNew) {
    return { integration: answer, awaitsIngress: !(await untilReceiving(deps, stored.integration, call)) };
  }
  // The same request came twice at once, and the other one was faster.
  const first = await findCreated(db, requestId!, since);
  if (first) return await createdBefore(deps, first, call);
  const text = `the integration that was made by the same request (${request.requestId}) is deleted already, and no other was: repeat the request to make one`;
  throw failed(Code.ABORTED, 'CREATED_AND_DELETED', text);
}

/** The answer to a request that comes again: its caller did not get the first one, or not in time. */
async function createdBefore(deps: RouteDeps, stored: StoredIntegration, call: CallContext): Promise<Answer> {
  if (!isInScope(call.caller, stored.integration)) throw notFound('the integration that this request made');
  const awaitsIngress = !(await untilReceiving(deps, stored.integration, call));
  return { integration: await loadAnswer(deps.db, stored), awaitsIngress };
}

/**
 * The topic is there before the integration is, so that ingress never writes to a missing one. Should the integration not
 * come to be after all, the plan stays behind and the sweep removes the topic.
 */
async function createMessageTopic(
  { db, bus, topics }: RouteDeps,
  { integration }: StoredIntegration,
): Promise<void> {
  await planTopicDeletion(db, integration.id, ORPHAN_DELAY);
  try {
    await bus.createTopics([topics.messages(integration.id, shardsOf(integration))]);
  } catch (error) {
    throw kafkaError(error);
  }
}
