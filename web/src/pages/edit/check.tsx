import { useState } from 'preact/hooks';
import type { CheckConnectionResponse, CheckStep, Integration } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { FailureNotice } from '../../ui/notice.tsx';
import { secondsText } from '../../ui/numbers.ts';
import { RoleButton } from '../../ui/role-button.tsx';
import { targetOf } from '../trial/target.ts';

interface CheckProps {
  /** A draft; or the id of what is stored. */
  readonly target: Integration | string;
  /** Leads to a field; unset: there are none here. */
  readonly onGo?: (path: string) => void;
}

/** Has an executor try to reach the target, and shows how far it came. */
export function Check({ target, onGo }: CheckProps) {
  const [found, setFound] = useState<{ readonly answer: CheckConnectionResponse; readonly of: unknown }>();
  const check = useAction(async () => {
    setFound(undefined);
    const answer = await api.integrations.checkConnection({ target: targetOf(target) });
    setFound({ answer, of: target });
  });
  return (
    <div class="check">
      {/* A draft may have any target: it is for those who may store one. */}
      <RoleButton
        method={`IntegrationService/${typeof target === 'string' ? 'CheckConnection' : 'CreateIntegration'}`}
        text={check.isRunning ? 'Checking…' : 'Check connection'}
        isOff={check.isRunning}
        onClick={() => check.run()}
      />
      {check.failure && <FailureNotice failure={check.failure} />}
      {found && <Found answer={found.answer} isOld={found.of !== target} onGo={onGo} />}
    </div>
  );
}

interface FoundProps {
  readonly answer: CheckConnectionResponse;
  readonly isOld: boolean;
  readonly onGo: CheckProps['onGo'];
}

function Found({ answer: { reachable, message, serviceId, steps, field }, isOld, onGo }: FoundProps) {
  const what = reachable ? 'The target can be reached' : 'The target cannot be reached';
  return (
    <div class={`notice ${isOld ? 'old' : reachable ? 'good' : 'bad'}`} role="status">
      <p>
        {what}, says {serviceId}
        {message === '' ? '' : `: ${message}`}.{isOld && <b> This is older than your changes.</b>}
      </p>
      {field !== '' && (
        <p>
          See{' '}
          {onGo ? (
            <button type="button" class="link" onClick={() => onGo(field)}>
              <code>{field}</code>
            </button>
          ) : (
            <code>{field}</code>
          )}
        </p>
      )}
      {steps.length > 0 && (
        <ol class="steps" aria-label="Steps">
          {steps.map((step, i) => (
            <Step key={i} step={step} />
          ))}
        </ol>
      )}
    </div>
  );
}

function Step({ step: { name, ok, detail, duration } }: { readonly step: CheckStep }) {
  return (
    <li class={ok ? 'good' : 'bad'}>
      <b>
        {ok ? '✓' : '✗'} {name}
      </b>{' '}
      <span>{detail}</span>
      {duration && <span class="quiet"> {secondsText(Number(duration.seconds) + duration.nanos / 1e9)}</span>}
    </li>
  );
}
