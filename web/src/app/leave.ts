/** Forgets what was typed: the next person is somebody else. */
export function leave(): void {
  try {
    sessionStorage.clear();
  } catch {
    // Nothing is kept.
  }
}
