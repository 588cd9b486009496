import type { Integration } from '../../gen/penstock/v1/integration_pb.ts';
import { loadAnswer } from './answer.ts';
import { unknownIntegration } from './guards.ts';
import { nextRevision } from './revision.ts';
import type { RouteDeps } from './routes/deps.ts';
import { saveChange } from './store/changes.ts';

/** Enables or disables. Its configuration was agreed to when it was saved, so no executor is asked. */
export async function switchIntegration(
  { db, topics, clock, wakeRelay }: RouteDeps,
  id: string,
  enabled: boolean,
): Promise<Integration> {
  const stored = await saveChange(db, topics, id, (locked) =>
    nextRevision(locked, { ...locked.integration, enabled }, clock.now()),
  );
  if (!stored) throw unknownIntegration(id);
  wakeRelay();
  return loadAnswer(db, stored);
}
