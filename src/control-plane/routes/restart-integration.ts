import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type {
  RestartIntegrationRequest,
  RestartIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { failed } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { loadAnswer } from '../integrations/answer.ts';
import { unknownIntegration } from '../integrations/guards.ts';
import { nextRevision } from '../integrations/revision.ts';
import { saveChange } from '../store/changes.ts';
import type { StoredIntegration } from '../store/integrations.ts';
import type { RouteDeps } from './deps.ts';

/** A restart is a change like any other: it reaches every executor, whatever fails meanwhile, and the last one wins. */
export async function restartIntegration(
  { db, topics, clock, wakeRelay }: RouteDeps,
  { id }: RestartIntegrationRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof RestartIntegrationResponseSchema>> {
  const stored = await saveChange(db, topics, caller, id, (locked) => restarted(locked, clock.now()));
  if (!stored) throw unknownIntegration(id);
  wakeRelay();
  return { integration: await loadAnswer(db, stored) };
}

/** @throws RpcError FAILED_PRECONDITION when it is disabled */
function restarted(stored: StoredIntegration, now: number): StoredIntegration {
  const { integration } = stored;
  if (!integration.enabled) {
    const text = `integration ${integration.id} is disabled: call EnableIntegration, which starts it`;
    throw failed(Code.FAILED_PRECONDITION, 'INTEGRATION_DISABLED', text);
  }
  return nextRevision(stored, { ...integration, restarts: integration.restarts + 1n }, now);
}
