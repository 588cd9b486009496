import { useState } from 'preact/hooks';
import type { LoggedMessage } from '../../../../src/client/contract.ts';
import { BASE } from '../../api/base.ts';
import { api } from '../../api/client.ts';
import { useQuery } from '../../api/use-query.ts';
import { integrationPath } from '../../app/routes.ts';
import { isOpenToAll } from '../../app/self.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNotice, Loading } from '../../ui/notice.tsx';
import { PayloadView } from '../dead-letters/payload-view.tsx';
import { mqttProperties } from '../dead-letters/properties.ts';
import { Properties } from '../dead-letters/properties-table.tsx';
import { curlCommand, ingressAt, mosquittoCommand } from './commands.ts';
import { MessagePath } from './message-path.tsx';

interface MessageDialogProps {
  readonly integrationId: string;
  readonly id: string;
  readonly onClose: () => void;
}

/** One message as it is now: its way, its whole payload, its properties. */
export function MessageDialog({ integrationId, id, onClose }: MessageDialogProps) {
  const { value, failure, reload } = useQuery(
    (signal) => api.messageLog.getMessage({ integrationId, id }, { signal }),
    [integrationId, id],
  );
  const message = value?.message;
  return (
    <Dialog title={`Message ${id}`} onClose={onClose} isWide>
      {failure?.isMissing && <p>It is not there any more: Kafka removed it, or the link is not whole.</p>}
      {failure && !failure.isMissing && <FailureNotice failure={failure} />}
      {!failure && !message && <Loading what="the message" />}
      {message && <Message integrationId={integrationId} message={message} />}
      <div class="actions">
        {message?.envelope && <Copy message={message} />}
        <button type="button" onClick={reload}>
          Look again
        </button>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

interface MessageProps {
  readonly integrationId: string;
  readonly message: LoggedMessage;
}

function Message({ integrationId, message }: MessageProps) {
  const { id, envelope, payloadSize, outcome } = message;
  const letter = outcome?.deadLetterId ?? '';
  return (
    <>
      <MessagePath message={message} />
      {letter !== '' && (
        <p>
          <a href={`${integrationPath(integrationId, 'dead-letters')}?letter=${letter}&redriven=yes`}>
            Dead letter {letter}
          </a>
        </p>
      )}
      {envelope && <PayloadView payload={envelope.payload} name={`message-${id}.bin`} />}
      {envelope && envelope.payload.length < payloadSize && (
        <p class="quiet">
          This is the begin of {payloadSize.toLocaleString('en')} bytes; <code>GetMessage</code> has up to 8
          MiB.
        </p>
      )}
      {envelope && <Properties of="MQTT" properties={mqttProperties(envelope)} />}
    </>
  );
}

/** Publishes the same again, elsewhere. What is cut is not the same. */
function Copy({ message: { envelope, payloadSize } }: { readonly message: LoggedMessage }) {
  const [copied, setCopied] = useState('');
  const { value, failure } = useQuery((signal) => api.system.getSystem({}, { signal }), []);
  if (!envelope || envelope.payload.length < payloadSize) return null;
  const isAsked = value !== undefined || failure !== undefined;
  const ingress = ingressAt(BASE, value?.system?.mqttWebsocketHere === true);
  const copy = (name: string, command: string) =>
    void navigator.clipboard?.writeText(command).then(() => setCopied(name));
  return (
    <>
      <button
        type="button"
        disabled={!isAsked}
        onClick={() => copy('mosquitto_pub', mosquittoCommand(envelope, ingress))}
      >
        {copied === 'mosquitto_pub' ? 'Copied' : 'Copy as mosquitto_pub'}
      </button>
      <button
        type="button"
        disabled={!isAsked}
        onClick={() => copy('curl', curlCommand(envelope, ingress, !isOpenToAll()))}
      >
        {copied === 'curl' ? 'Copied' : 'Copy as curl'}
      </button>
    </>
  );
}
