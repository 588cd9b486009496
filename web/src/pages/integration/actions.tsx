import { useState } from 'preact/hooks';
import type { Integration } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { Lazy } from '../../app/lazy.tsx';
import { open } from '../../app/location.ts';
import { editPath, newPath, replayPath } from '../../app/routes.ts';
import { NamedDialog } from '../../ui/named-dialog.tsx';
import { FailureNotice } from '../../ui/notice.tsx';
import { deadLettersText } from '../../ui/numbers.ts';
import { RoleButton, RoleLink } from '../../ui/role-button.tsx';
import { Check } from '../edit/check.tsx';
import { useEnabling } from '../integrations/use-enabling.ts';

const loadTryDialog = () => import('../trial/try-dialog.tsx');

/** What can be done with an integration. */
export function Actions({ integration }: { readonly integration: Integration }) {
  const { id, enabled } = integration;
  const [isDeleting, setDeleting] = useState(false);
  const [isTrying, setTrying] = useState(false);
  const toggle = useEnabling(integration);
  const restart = useAction(() => api.integrations.restartIntegration({ id }));
  const failure = toggle.failure ?? restart.failure;
  return (
    <>
      <div class="actions">
        <RoleLink method="IntegrationService/UpdateIntegration" href={editPath(id)} text="Edit" isPrimary />
        <ActionButton method={toggle.method} text={enabled ? 'Disable' : 'Enable'} action={toggle} />
        <ActionButton method="IntegrationService/RestartIntegration" text="Restart" action={restart} />
        <RoleButton
          method="IntegrationService/TryDelivery"
          text="Try a message"
          onClick={() => setTrying(true)}
        />
        <RoleLink method="IntegrationService/CreateIntegration" href={newPath(id)} text="Duplicate" />
        <RoleLink method="ReplayService/StartReplay" href={replayPath(id)} text="Replay" />
        <RoleButton
          method="IntegrationService/DeleteIntegration"
          text="Delete"
          onClick={() => setDeleting(true)}
        />
      </div>
      <Check target={id} />
      {isTrying && (
        <Lazy
          load={loadTryDialog}
          what="what tries a message"
          show={({ TryDialog }) => <TryDialog {...integration} onClose={() => setTrying(false)} />}
        />
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
        {status?.lag === undefined ? 'What waits for it' : `${status.lag.toLocaleString('en')} waiting`},{' '}
        {deadLettersText(status?.deadLetters)}: they go with it.
      </p>
    </NamedDialog>
  );
}
