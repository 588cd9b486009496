import type { MessageInitShape } from '@bufbuild/protobuf';
import type { EnableIntegrationResponseSchema } from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import type { RouteDeps } from '../routes/deps.ts';
import { loadAnswer } from './answer.ts';
import { unknownIntegration } from './guards.ts';
import { nextRevision } from './revision.ts';
import { saveWithTopic } from './save-change.ts';

/** Enables or disables. Its configuration was agreed to when it was saved, so no executor is asked. */
export async function switchIntegration(
  deps: RouteDeps,
  id: string,
  enabled: boolean,
  call: CallContext,
): Promise<MessageInitShape<typeof EnableIntegrationResponseSchema>> {
  const saved = await saveWithTopic(deps, id, call, (locked) =>
    nextRevision(locked, { ...locked.integration, enabled }, deps.clock.now()),
  );
  if (!saved) throw unknownIntegration(id);
  return { integration: await loadAnswer(deps.db, saved.stored), awaitsIngress: saved.awaitsIngress };
}
