import type { DescMethod, Message } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel as Idempotency } from '@bufbuild/protobuf/wkt';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { ErrorInfoSchema } from '../../../gen/google/rpc/error_details_pb.ts';
import type { AuditRecord } from '../../../gen/penstock/v1/audit_service_pb.ts';
import { callerKey } from '../../rpc/caller-key.ts';
import { detailOf, RpcError } from '../../rpc/error.ts';
import {
  type AnyHandler,
  type CallContext,
  contextWith,
  type RpcService,
  wrapHandlers,
} from '../../rpc/service.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { RateLimit } from '../../runtime/rate-limit.ts';
import { insertAuditRecord } from '../store/audit-records.ts';
import type { Database } from '../store/database.ts';
import { AuditTrail, withTrail } from './audit-trail.ts';
import { resourceOf } from './resource.ts';

export interface AuditDeps {
  readonly db: Pick<Database, 'query'>;
  readonly serviceId: string;
  /** Of records of what changed nothing, by caller: whoever is refused over and over is not to fill the table. */
  readonly refusals: RateLimit;
  readonly clock: { now(): number };
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'auditLost'>;
}

/** They change nothing, or are messages: those are counted, and come as often as one likes. */
const NOT_AUDITED = [
  'penstock.v1.IntegrationService/WatchIntegrations',
  'penstock.v1.EventService/WatchEvents',
  'penstock.v1.WatchService/Watch',
  'penstock.v1.MessageLogService/WatchMessages',
  'penstock.v1.MessageService/PublishMessage',
];

const nameOf = (method: DescMethod) => `${method.parent.typeName}/${method.name}`;

/** Whether a call of this method leaves a record. */
export const isAudited = (method: DescMethod): boolean =>
  method.parent.file.proto.package === 'penstock.v1' &&
  method.idempotency !== Idempotency.NO_SIDE_EFFECTS &&
  !NOT_AUDITED.includes(nameOf(method));

/**
 * The service with handlers whose calls leave a record each: with what they change, in its transaction; of what changes nothing
 * in PostgreSQL, or is refused, when they have ended. Outside of what refuses calls, and says why.
 */
export function audited(service: RpcService, deps: AuditDeps): RpcService {
  return wrapHandlers(service, (method, handler) => {
    if (!isAudited(method)) return handler;
    if (method.methodKind === 'unary') return unary(method, handler, deps);
    return async function* (request: never, context: CallContext) {
      const call = begun(method, request, context, deps);
      yield* call.end(() => handler(request, call.context) as AsyncIterable<Message>);
    };
  });
}

function unary(method: DescMethod, handler: AnyHandler, deps: AuditDeps): AnyHandler {
  return async (request: never, context: CallContext) => {
    const call = begun(method, request, context, deps);
    try {
      const answer = await handler(request, call.context);
      await call.ended();
      return answer;
    } catch (error) {
      await call.ended(error);
      throw error;
    }
  };
}

function begun(method: DescMethod, request: Message, context: CallContext, deps: AuditDeps) {
  const { serviceId, clock } = deps;
  const { caller } = context;
  const trail = new AuditTrail({ caller, method: nameOf(method), serviceId, now: () => clock.now() });
  const ended = async (error?: unknown): Promise<void> => {
    const isTrial = 'validateOnly' in request && request.validateOnly === true;
    if (isTrial) return;
    if (error !== undefined && deps.refusals.take(callerKey(caller)) > 0) {
      deps.metrics.auditLost.inc({ reason: 'rate' });
      return;
    }
    const record = trail.record({ resource: resourceOf(method, request), ...outcomeOf(error) });
    // Where a change was recorded, that record stays: both have one id. What was rolled back left none.
    // Who is told that PostgreSQL is away is not to wait for it once more.
    const isAway = record.reason === 'DATABASE_UNAVAILABLE';
    const kept = isAway ? Promise.reject(error) : insertAuditRecord(deps.db, record);
    await kept.catch((failure) => lost(record, failure, deps));
  };
  async function* end(answers: () => AsyncIterable<Message>) {
    let outcome: unknown = new RpcError(Code.CANCELLED, 'the caller went away');
    try {
      yield* answers();
      outcome = undefined;
    } catch (error) {
      outcome = error;
      throw error;
    } finally {
      await ended(outcome);
    }
  }
  return { context: contextWith(context, { caller: withTrail(caller, trail) }), ended, end };
}

/** PostgreSQL did not take it: the log has it. */
function lost(
  { method, resource, caller, address, code }: AuditRecord,
  failure: unknown,
  deps: AuditDeps,
): void {
  deps.metrics.auditLost.inc({ reason: 'failed' });
  const why = messageOf(failure);
  deps.logger.warn('an audit record could not be kept', { method, resource, caller, address, code, why });
}

/** What became of a call. Texts may have what a caller gave: the reason is enough where there is one. */
function outcomeOf(error: unknown): { readonly code?: Code; readonly reason?: string } {
  if (error === undefined) return {};
  if (!(error instanceof RpcError)) return { code: Code.INTERNAL };
  const reason = detailOf(error, ErrorInfoSchema)?.reason ?? '';
  return { code: error.code, reason };
}
