import { useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { open } from '../../app/location.ts';
import { editPath, newPath, replayPath } from '../../app/routes.ts';
import { refusal } from '../../app/self.ts';
import { NamedDialog } from '../../ui/named-dialog.tsx';
import { FailureNotice } from '../../ui/notice.tsx';
import { RoleLink } from '../../ui/role-link.tsx';

interface ButtonProps {
  readonly method: string;
  readonly text: string;
  readonly action: { readonly run: () => void; readonly isRunning: boolean };
}

/** A button that says why it cannot be used. */
function ActionButton({ method, text, action: { run, isRunning } }: ButtonProps) {
  const why = refusal(`IntegrationService/${method}`);
  return (
    <button type="button" disabled={isRunning || why !== undefined} title={why} onClick={() => run()}>
      {isRunning ? `${text}…` : text}
    </button>
  );
}

/** What can be done with an integration. */
export function Actions({ integration }: { readonly integration: Integration }) {
  const { id, enabled } = integration;
  const [isDeleting, setDeleting] = useState(false);
  const [checked, setChecked] = useState<string>();
  const toggle = useAction(async () => {
    if (enabled) await api.integrations.disableIntegration({ id });
    else await api.integrations.enableIntegration({ id });
  });
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
        <RoleLink method="UpdateIntegration" href={editPath(id)} text="Edit" isPrimary />
        <ActionButton
          method={enabled ? 'DisableIntegration' : 'EnableIntegration'}
          text={enabled ? 'Disable' : 'Enable'}
          action={toggle}
        />
        <ActionButton method="RestartIntegration" text="Restart" action={restart} />
        <ActionButton method="CheckConnection" text="Check connection" action={check} />
        <RoleLink method="CreateIntegration" href={newPath(id)} text="Duplicate" />
        <a class="button" href={replayPath(id)}>
          Replay
        </a>
        <ActionButton
          method="DeleteIntegration"
          text="Delete"
          action={{ run: () => setDeleting(true), isRunning: false }}
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
