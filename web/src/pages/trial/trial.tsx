import { useState } from 'preact/hooks';
import { durationMs, type Integration, type TryDeliveryResponse } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { failureName } from '../../ui/names.ts';
import { FailureNotice } from '../../ui/notice.tsx';
import { RoleButton } from '../../ui/role-button.tsx';
import { envelopeOf, type Sample } from './sample.ts';
import { targetOf } from './target.ts';

interface TrialProps {
  /** A draft; or the id of what is stored. */
  readonly target: Integration | string;
  readonly sample: Sample;
  /** Why it cannot be tried now; undefined: it can. */
  readonly obstacle?: string | undefined;
}

/** Has the message delivered once, for real, and shows what was sent and what came back. */
export function Trial({ target, sample, obstacle }: TrialProps) {
  const [told, setTold] = useState<{
    readonly answer: TryDeliveryResponse;
    readonly of: readonly unknown[];
  }>();
  const attempt = useAction(async () => {
    setTold(undefined);
    const request = { target: targetOf(target), envelope: envelopeOf(sample) };
    setTold({ answer: await api.integrations.tryDelivery(request), of: [target, sample] });
  });
  const isOld = told !== undefined && (told.of[0] !== target || told.of[1] !== sample);
  return (
    <div class="trial">
      <div class="actions">
        {/* A draft may have any target: it is for those who may store one. */}
        <RoleButton
          method={`IntegrationService/${typeof target === 'string' ? 'TryDelivery' : 'CreateIntegration'}`}
          text={attempt.isRunning ? 'Delivering…' : 'Deliver this message now'}
          isOff={attempt.isRunning || obstacle !== undefined}
          onClick={() => attempt.run()}
        />
        <span class="quiet">
          {obstacle ?? 'A real delivery, to this target alone: once, and nothing is saved.'}
        </span>
      </div>
      {attempt.failure && <FailureNotice failure={attempt.failure} />}
      {told && <Told answer={told.answer} isOld={isOld} />}
    </div>
  );
}

function Told({ answer, isOld }: { readonly answer: TryDeliveryResponse; readonly isOld: boolean }) {
  const { delivered, failureClass, reason, sent, answer: came, duration, serviceId } = answer;
  const time = duration === undefined ? '' : ` after ${Math.round(durationMs(duration))} ms`;
  return (
    <section class="told" aria-label="What became of it">
      <p class={delivered ? 'notice good' : 'notice bad'} role="status">
        {delivered ? `Delivered${time}` : `Not delivered${time}: ${failureName(failureClass)}: ${reason}`},
        says {serviceId}.{isOld && <b> This is older than your changes.</b>}
      </p>
      <Text name="What was sent" text={sent} />
      <Text name="What came back" text={came} />
    </section>
  );
}

function Text({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    <>
      <h3>{name}</h3>
      {text === '' ? (
        <p class="quiet">Nothing.</p>
      ) : (
        <textarea readOnly aria-label={name} rows={rowsOf(text)} value={text} />
      )}
    </>
  );
}

export const rowsOf = (text: string): number => Math.min(16, Math.max(2, text.split('\n').length));
