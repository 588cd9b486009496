import type { Settings } from '../runtime/settings.ts';
import { controlPlaneConfig } from './config.ts';
import { type ControlPlane, type ControlPlaneDeps, startControlPlane } from './control-plane.ts';

/** The role `control-plane`, by the settings of its process. */
export function startRole(
  settings: Settings,
  deps: ControlPlaneDeps,
  signal: AbortSignal,
): Promise<ControlPlane> {
  return startControlPlane(controlPlaneConfig(settings), deps, signal);
}
