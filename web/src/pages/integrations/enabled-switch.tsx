import type { Integration } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { refusal } from '../../app/self.ts';

/** Enables or disables, by the calls for that alone. What it shows is what the server says. */
export function EnabledSwitch({ integration: { id, name, enabled } }: { readonly integration: Integration }) {
  const { run, isRunning, failure } = useAction(async () => {
    if (enabled) await api.integrations.disableIntegration({ id });
    else await api.integrations.enableIntegration({ id });
  });
  const method = enabled ? 'DisableIntegration' : 'EnableIntegration';
  const why = refusal(`IntegrationService/${method}`);
  return (
    <button
      type="button"
      role="switch"
      class="switch"
      aria-checked={enabled}
      aria-label={`${name} enabled`}
      disabled={isRunning || why !== undefined}
      title={failure?.text ?? why ?? (isRunning ? (enabled ? 'disabling…' : 'enabling…') : undefined)}
      data-failed={failure !== undefined}
      onClick={() => run()}
    />
  );
}
