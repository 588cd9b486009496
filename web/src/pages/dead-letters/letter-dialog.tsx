import type { Envelope, ListedDeadLetter } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useQuery } from '../../api/use-query.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNotice, Loading } from '../../ui/notice.tsx';
import { RoleButton } from '../../ui/role-button.tsx';
import { groupText } from './groups.ts';
import { PayloadView } from './payload-view.tsx';
import { failureProperties, mqttProperties } from './properties.ts';
import { Properties } from './properties-table.tsx';
import { redriveOf } from './redrive-progress.tsx';

interface LetterProps {
  readonly integrationId: string;
  readonly id: string;
  /** Undefined: it is not among those that are loaded, and asked for. */
  readonly loaded: ListedDeadLetter | undefined;
  readonly onRedrive: (letter: ListedDeadLetter) => void;
  /** Its message is to be tried, as it is or otherwise: this integration alone gets it. */
  readonly onTry: (envelope: Envelope) => void;
  readonly onClose: () => void;
}

/** One dead letter: what it was, and why it was given up. */
export function LetterDialog({ integrationId, id, loaded, onRedrive, onTry, onClose }: LetterProps) {
  const { value, failure } = useQuery(
    async (signal) => {
      if (loaded) return { letter: loaded };
      const filter = { ids: [id], includeRedriven: true };
      const { deadLetters } = await api.deadLetters.listDeadLetters({ integrationId, filter }, { signal });
      return { letter: deadLetters[0] };
    },
    [integrationId, id, loaded],
  );
  const letter = loaded ?? value?.letter;
  return (
    <Dialog title={`Dead letter ${id}`} onClose={onClose} isWide>
      {failure && <FailureNotice failure={failure} />}
      {!failure && !letter && !value && <Loading what="the dead letter" />}
      {value && !letter && <p>There is none with this id: it was removed, or the link is not whole.</p>}
      {letter && <Letter letter={letter} />}
      <div class="actions">
        {letter && (
          <RoleButton
            method="DeadLetterService/StartRedrive"
            text="Redrive this one"
            isOff={redriveOf(integrationId) !== undefined}
            onClick={() => onRedrive(letter)}
          />
        )}
        {letter?.envelope && (
          <RoleButton
            method="IntegrationService/TryDelivery"
            text="Edit and try"
            onClick={() => onTry(letter.envelope!)}
          />
        )}
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function Letter({ letter }: { readonly letter: ListedDeadLetter }) {
  const { id, envelope, deadLetter } = letter;
  return (
    <>
      <p class="reason whole">{groupText(letter)}</p>
      <Properties of="How it failed" properties={failureProperties(letter)} />
      {envelope ? (
        <>
          <PayloadView payload={envelope.payload} name={`dead-letter-${id}.bin`} />
          <Properties of="MQTT" properties={mqttProperties(envelope)} />
        </>
      ) : (
        <>
          <p>What it holds is no message that this version can read, or is larger than 4 MiB.</p>
          {deadLetter && (
            <PayloadView payload={deadLetter.envelope} name={`dead-letter-${id}.envelope.bin`} />
          )}
        </>
      )}
    </>
  );
}
