import type { Integration } from '../../../../src/client/contract.ts';
import { refusal } from '../../app/self.ts';
import { useEnabling } from './use-enabling.ts';

/** Enables or disables. What it shows is what the server says. */
export function EnabledSwitch({ integration }: { readonly integration: Integration }) {
  const { name, enabled } = integration;
  const { run, isRunning, failure, method } = useEnabling(integration);
  const why = refusal(method);
  return (
    <>
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
      {failure && (
        <span class="unseen" role="alert">
          {failure.text}
        </span>
      )}
    </>
  );
}
