import type { Integration } from '../../gen/penstock/v1/integration_pb.ts';
import { loadAnswer } from './answer.ts';
import { unknownIntegration } from './guards.ts';
import { nextRevision } from './revision.ts';
import type { RouteDeps } from './routes/deps.ts';
import { saveWithTopic } from './save-change.ts';

/** Enables or disables. Its configuration was agreed to when it was saved, so no executor is asked. */
export async function switchIntegration(deps: RouteDeps, id: string, enabled: boolean): Promise<Integration> {
  const stored = await saveWithTopic(deps, id, (locked) =>
    nextRevision(locked, { ...locked.integration, enabled }, deps.clock.now()),
  );
  if (!stored) throw unknownIntegration(id);
  return loadAnswer(deps.db, stored);
}
