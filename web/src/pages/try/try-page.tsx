import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { topicNameProblem } from '../../../../src/topic-filter/topic-filter.ts';
import { api } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { useQuery } from '../../api/use-query.ts';
import { query, setQuery } from '../../app/location.ts';
import { zone } from '../../app/preferences.ts';
import { integrationPath, newPath } from '../../app/routes.ts';
import { integrations } from '../../live/live.ts';
import { FailureNotice, Loading } from '../../ui/notice.tsx';
import { timeText } from '../../ui/times.ts';
import { Became, type Published } from './became.tsx';
import { type LogLine, MqttSession, type Outgoing } from './mqtt-session.ts';
import { nearestFilters, takersOf } from './takers.ts';

const MOST_LINES = 200;

/** An MQTT client in the page: publishes, and says what becomes of it. */
export function TryPage() {
  const system = useQuery((signal) => api.system.getSystem({}, { signal }), []);
  if (system.failure) return <FailureNotice failure={system.failure} />;
  const known = system.value?.system;
  if (!known) return <Loading what="where MQTT is taken in" />;
  const own = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/mqtt`;
  return (
    <>
      <header class="page-head">
        <h1>Try it</h1>
        <p class="quiet">Publishes over MQTT as a device would, from this page.</p>
      </header>
      {known.mqttWebsocketHere ? (
        <Publisher url={own} />
      ) : (
        <p class="notice wait">
          No ingress takes MQTT over WebSocket at this address, and a page may call no other.
          {known.mqttWebsocketUrls.length > 0 &&
            ` Other clients find one at ${known.mqttWebsocketUrls.join(', ')}.`}
        </p>
      )}
    </>
  );
}

function Publisher({ url }: { readonly url: string }) {
  const topic = query.value.get('topic') ?? '';
  const [payload, setPayload] = useState(query.value.get('payload') ?? '{"temperature": 21.5}');
  const [qos, setQos] = useState<Outgoing['qos']>(1);
  const [retain, setRetain] = useState(false);
  const { lines, isOpen, session } = useSession(url);
  const [published, setPublished] = useState<Published>();
  const publish = useAction(async () => {
    const one = session();
    const count = await one?.publish({ topic, payload, qos, retain });
    if (one && count !== undefined) setPublished({ topic, clientId: one.clientId, count });
  });
  const problem = topic === '' ? undefined : topicNameProblem(topic);
  const why =
    topic === '' ? 'give a topic first' : (problem ?? (isOpen ? undefined : 'the connection is not open'));
  return (
    <div class="try">
      <form
        class="integration-form"
        onSubmit={(event) => {
          event.preventDefault();
          publish.run();
        }}
      >
        <div class="field">
          <label for="try-topic">Topic</label>
          <input
            id="try-topic"
            value={topic}
            spellcheck={false}
            aria-invalid={problem !== undefined}
            onInput={({ currentTarget }) => setQuery({ topic: currentTarget.value })}
          />
          {problem && <p class="problem">{problem}</p>}
        </div>
        <Takes topic={topic} />
        <div class="field">
          <label for="try-payload">Payload</label>
          <textarea
            id="try-payload"
            rows={6}
            value={payload}
            onInput={({ currentTarget }) => setPayload(currentTarget.value)}
          />
        </div>
        <div class="filters">
          <label>
            QoS
            <select
              value={qos}
              onChange={({ currentTarget }) => setQos(Number(currentTarget.value) as Outgoing['qos'])}
            >
              {[0, 1, 2].map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={retain}
              onChange={({ currentTarget }) => setRetain(currentTarget.checked)}
            />
            Retained
          </label>
          <button type="submit" class="primary" disabled={why !== undefined || publish.isRunning}>
            Publish
          </button>
          {why !== undefined && <span class="quiet">{why}</span>}
        </div>
      </form>
      <section aria-label="Log">
        <h2>What happened</h2>
        <div role="log">
          <ol class="log">
            {lines.map(({ time, text, isBad }, i) => (
              <li key={`${i} ${time.getTime()}`} class={isBad ? 'bad' : ''}>
                <span class="quiet">{timeText(time, zone.value)}</span> {text}
              </li>
            ))}
          </ol>
        </div>
        {!isOpen && (
          <button type="button" onClick={() => session(true)}>
            Connect again
          </button>
        )}
        {published && <Became published={published} />}
      </section>
    </div>
  );
}

/** A session as long as the page is open. */
function useSession(url: string) {
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const [isOpen, setOpen] = useState(false);
  const current = useRef<MqttSession | undefined>(undefined);
  const begin = () => {
    current.current?.close();
    const tell = (text: string, isBad = false) =>
      setLines((before) => [...before, { time: new Date(), text, isBad }].slice(-MOST_LINES));
    // What a session before it still says of its end is not of this one.
    const session: MqttSession = new MqttSession(
      url,
      tell,
      (open) => current.current === session && setOpen(open),
    );
    current.current = session;
    setOpen(false);
  };
  useEffect(() => {
    begin();
    return () => current.current?.close();
  }, [url]);
  const session = (isNew = false): MqttSession | undefined => {
    if (isNew) begin();
    return current.current;
  };
  return { lines, isOpen, session };
}

/** Who takes the topic; and when nobody does, who nearly would. */
function Takes({ topic }: { readonly topic: string }) {
  const { enabled, disabled } = takersOf(topic, integrations.value.values());
  // Once for a topic: of very many it takes long, and what changes meanwhile matters little.
  const near = useMemo(() => nearestFilters(topic, integrations.peek().values()), [topic]);
  if (topic === '' || topicNameProblem(topic) !== undefined) return null;
  const link = ({ id, name }: { readonly id: string; readonly name: string }) => (
    <a key={id} href={integrationPath(id)}>
      {name}
    </a>
  );
  const list = (all: typeof enabled) => [
    ...all.slice(0, 5).flatMap((one, i) => [i > 0 ? ', ' : '', link(one)]),
    all.length > 5 ? ` and ${all.length - 5} more` : '',
  ];
  if (enabled.length + disabled.length > 0) {
    return (
      <p class="notice" role="status">
        {enabled.length > 0 && <>Taken by {list(enabled)}. </>}
        {disabled.length > 0 && <>Kept for {list(disabled)}, until it is enabled.</>}
      </p>
    );
  }
  return (
    <p class="notice wait" role="status">
      No integration takes <code>{topic}</code>.{' '}
      {near.length > 0 && (
        <>
          Close to it:{' '}
          {near.map(({ filter, integration }, i) => [
            i > 0 ? ', ' : '',
            <code key={filter}>{filter}</code>,
            ' of ',
            link(integration),
          ])}
          .{' '}
        </>
      )}
      <a href={newPath()}>Make one that does</a>.
    </p>
  );
}
