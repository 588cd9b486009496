import type { Integration } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { type Action, useAction } from '../../api/use-action.ts';

/** Disables what is enabled, and the other way round, by the calls for that alone. */
export function useEnabling({ id, enabled }: Integration): Action<[]> & { readonly method: string } {
  const action = useAction(async () => {
    if (enabled) await api.integrations.disableIntegration({ id });
    else await api.integrations.enableIntegration({ id });
  });
  return { ...action, method: `IntegrationService/${enabled ? 'DisableIntegration' : 'EnableIntegration'}` };
}
