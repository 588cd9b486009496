import { redrives } from '../pages/dead-letters/redriving.ts';

/** Ends what whoever used this page has begun, and forgets what was typed: the next person is somebody else. */
export function leave(): void {
  for (const id of redrives.running()) redrives.stop(id);
  try {
    sessionStorage.clear();
  } catch {
    // Nothing is kept.
  }
}
