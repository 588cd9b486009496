import type { Integration, LoggedMessage } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import { useRenewed } from '../../api/use-renewed.ts';
import { integrationPath } from '../../app/routes.ts';
import { integrations } from '../../live/live.ts';
import { FailureNotice } from '../../ui/notice.tsx';
import { beginOf, stageText } from '../messages/lines.ts';
import { MessagePath } from '../messages/message-path.tsx';
import { isOver, MOST_ASKED } from './over.ts';
import { takersOf } from './takers.ts';

/** How often what became of it is asked for, in milliseconds. */
const OFTEN = 2000;
const MOST_TAKERS = 4;
const LAST = 3;

/** What was published last, and taken in. */
export interface Published {
  readonly topic: string;
  readonly clientId: string;
  /** How many were, by this client on this topic. */
  readonly count: number;
}

/** What became of what this page has published to a topic: the way of each message in each integration that takes it. */
export function Became({ published }: { readonly published: Published }) {
  const { topic, clientId } = published;
  const { enabled, disabled } = takersOf(topic, integrations.value.values());
  const takers = [...enabled, ...disabled];
  if (takers.length === 0) return null;
  return (
    <section aria-label="What became of it">
      <h2>What became of it</h2>
      {takers.slice(0, MOST_TAKERS).map((one) => (
        <InOne key={`${one.id} ${clientId} ${topic}`} integration={one} published={published} />
      ))}
      {takers.length > MOST_TAKERS && (
        <p class="quiet">And in {takers.length - MOST_TAKERS} more, whose pages tell.</p>
      )}
    </section>
  );
}

interface InOneProps {
  readonly integration: Integration;
  readonly published: Published;
}

function InOne({ integration: { id, name }, published: { topic, clientId, count } }: InOneProps) {
  const { value, failure } = useRenewed(
    (signal) => {
      const filter = { topicFilter: topic, clientId };
      const pageSize = Math.min(Math.max(LAST, count), MOST_ASKED);
      return api.messageLog.listMessages({ integrationId: id, filter, pageSize }, { signal });
    },
    [id, topic, clientId, count],
    OFTEN,
    (answer) => isOver(answer.messages, count),
  );
  const messages = value?.messages.slice(0, LAST) ?? [];
  return (
    <section>
      <h3>
        <a href={integrationPath(id, 'messages')}>{name}</a>
      </h3>
      {failure && <FailureNotice failure={failure} />}
      {!failure && messages.length === 0 && <p class="quiet">Not in its topic yet.</p>}
      {messages.map((message) => (
        <One key={message.id} integrationId={id} message={message} />
      ))}
    </section>
  );
}

function One({
  integrationId,
  message,
}: {
  readonly integrationId: string;
  readonly message: LoggedMessage;
}) {
  const { id, envelope, payloadSize, outcome } = message;
  const isGivenUp = (outcome?.deadLetterId ?? '') !== '';
  return (
    <>
      <p class="became">
        <a href={`${integrationPath(integrationId, 'messages')}?message=${id}`}>{id}</a>{' '}
        <span class={isGivenUp ? 'state bad' : 'quiet'}>{stageText(outcome?.stage)}</span>{' '}
        <code>{envelope && beginOf(envelope, payloadSize)}</code>
      </p>
      <MessagePath message={message} />
    </>
  );
}
