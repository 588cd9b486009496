import type { IntegrationType } from '../../gen/penstock/v1/integration_pb.ts';
import { numberOf } from '../contract/integration-type.ts';
import type { Settings } from '../runtime/settings.ts';
import { executorConfig } from './config.ts';
import { defaultsAsPolicy } from './delivery/policy.ts';
import { type ExecutorDeps, startExecutor } from './executor.ts';
import { BUILT_TYPES } from './handlers/registry.ts';

/** The role `executor`, by the settings of its process. */
export function startRole(
  settings: Settings,
  deps: ExecutorDeps,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  return startExecutor(executorConfig(settings), deps, signal);
}

/** What it does where a delivery policy leaves it open. */
export const deliveryDefaults = (settings: Settings) => defaultsAsPolicy(executorConfig(settings).policy);

/** What control planes are told that it serves. */
export function typesServed(settings: Settings): readonly IntegrationType[] {
  const { types } = executorConfig(settings);
  return types.filter((type) => BUILT_TYPES.includes(type)).map(numberOf);
}
