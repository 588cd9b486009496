import { useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { open } from '../../app/location.ts';
import { editPath, newPath, replayPath } from '../../app/routes.ts';
import { NamedDialog } from '../../ui/named-dialog.tsx';
import { FailureNotice } from '../../ui/notice.tsx';
import { RoleButton, RoleLink } from '../../ui/role-button.tsx';
import { useEnabling } from '../integrations/use-enabling.ts';

/** What can be done with an integration. */
export function Actions({ integration }: { readonly integration: Integration }) {
  const { id, enabled } = integration;
  const [isDeleting, setDeleting] = useState(false);
  const [checked, setChecked] = useState<string>();
  const toggle = useEnabling(integration);
  const restart = useAction(() => api.integrations.restartIntegration({ id }));
  const check = useAction(async () => {
    setChecked(undefined);
    const answer = await api.integrations.checkConnection({ target: { case: 'id', value: id } });
    const what = answer.reachable ? 'The target can be reached' : 'The target cannot be reached';
    setChecked(`${what}, says ${answer.serviceId}${answer.message === '' ? '' : `: ${answer.message}`}`);
  });
  const failure = toggle.failure ?? restart.failure ?? check.failure;
  return (
    <>
      <div class="actions">
        <RoleLink method="IntegrationService/UpdateIntegration" href={editPath(id)} text="Edit" isPrimary />
        <ActionButton method={toggle.method} text={enabled ? 'Disable' : 'Enable'} action={toggle} />
        <ActionButton method="IntegrationService/RestartIntegration" text="Restart" action={restart} />
        <ActionButton method="IntegrationService/CheckConnection" text="Check connection" action={check} />
        <RoleLink method="IntegrationService/CreateIntegration" href={newPath(id)} text="Duplicate" />
        <RoleLink method="ReplayService/StartReplay" href={replayPath(id)} text="Replay" />
        <RoleButton
          method="IntegrationService/DeleteIntegration"
          text="Delete"
          onClick={() => setDeleting(true)}
        />
      </div>
      {checked !== undefined && (
        <p class="notice" role="status">
          {checked}
        </p>
      )}
      {failure && <FailureNotice failure={failure} />}
      {isDeleting && <DeleteDialog integration={integration} onClose={() => setDeleting(false)} />}
    </>
  );
}

interface ActionButtonProps {
  readonly method: string;
  readonly text: string;
  readonly action: { readonly run: () => void; readonly isRunning: boolean };
}

function ActionButton({ method, text, action: { run, isRunning } }: ActionButtonProps) {
  return (
    <RoleButton
      method={method}
      text={isRunning ? `${text}…` : text}
      isOff={isRunning}
      onClick={() => run()}
    />
  );
}

interface DeleteProps {
  readonly integration: Integration;
  readonly onClose: () => void;
}

/** Asks for the name, and says what goes. */
function DeleteDialog({ integration: { id, name, etag, status }, onClose }: DeleteProps) {
  const remove = useAction(
    () => api.integrations.deleteIntegration({ id, etag }),
    () => open('/integrations'),
  );
  const waiting = status?.lag ?? 0n;
  return (
    <NamedDialog
      title={`Delete ${name}?`}
      name={name}
      verb="Delete"
      keep="Keep it"
      action={remove}
      onClose={onClose}
    >
      <p>
        {waiting > 0n ? `${waiting.toLocaleString('en')} messages that wait for it` : 'What waits for it'} and
        its dead letters go with it.
      </p>
    </NamedDialog>
  );
}
