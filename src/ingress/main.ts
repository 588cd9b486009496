import type { Settings } from '../runtime/settings.ts';
import { ingressConfig } from './config.ts';
import { type Ingress, type IngressDeps, startIngress } from './ingress.ts';

/** The role `ingress`, by the settings of its process. */
export function startRole(settings: Settings, deps: IngressDeps, signal: AbortSignal): Promise<Ingress> {
  return startIngress(ingressConfig(settings), deps, signal);
}
