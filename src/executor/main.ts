import type { Settings } from '../runtime/settings.ts';
import { executorConfig } from './config.ts';
import { type ExecutorDeps, startExecutor } from './executor.ts';

/** The role `executor`, by the settings of its process. */
export function startRole(
  settings: Settings,
  deps: ExecutorDeps,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  return startExecutor(executorConfig(settings), deps, signal);
}
