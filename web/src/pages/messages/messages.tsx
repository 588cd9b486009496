import { useEffect, useRef, useState } from 'preact/hooks';
import { query, setQuery } from '../../app/location.ts';
import { Empty, FailureNotice, Loading } from '../../ui/notice.tsx';
import { numberText } from '../../ui/numbers.ts';
import { linesWith, stageText } from './lines.ts';
import { MessageDialog } from './message-dialog.tsx';
import { STAGES, tailFilterOf, toggledStage } from './message-filter.ts';
import { TailTable } from './tail-table.tsx';
import { type Tail, useTail } from './use-tail.ts';

const said = (name: string): string => query.value.get(name) ?? '';

/** What comes into the topic of an integration, as it comes, and what becomes of it. */
export function Messages({ integrationId }: { readonly integrationId: string }) {
  const read = tailFilterOf(query.value);
  const tail = useTail(integrationId, 'filter' in read ? read.filter : undefined);
  const openId = said('message');
  usePauseKey(tail);
  return (
    <>
      <Filters />
      {'problem' in read ? (
        <p class="notice bad" role="alert">
          {read.problem} Nothing is looked for until that is changed.
        </p>
      ) : (
        <Followed tail={tail} />
      )}
      {openId !== '' && (
        <MessageDialog
          key={openId}
          integrationId={integrationId}
          id={openId}
          onClose={() => setQuery({ message: '' })}
        />
      )}
    </>
  );
}

/** Space pauses and goes on, where nothing else wants it. */
function usePauseKey(tail: Tail): void {
  const current = useRef(tail);
  current.current = tail;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const on = event.target instanceof Element ? event.target : undefined;
      if (event.key !== ' ' || on?.closest('input, textarea, select, button, a, dialog, summary')) return;
      event.preventDefault();
      togglePause(current.current);
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}

function togglePause({ lines, redraw }: Tail): void {
  if (lines.isHeld) {
    lines.release();
    scrollTo({ top: 0 });
  } else lines.hold();
  redraw();
}

function Filters() {
  const chosen = said('stage').split(',');
  const [text, setText] = useState(said('text'));
  return (
    <search class="filters">
      <label>
        Topic filter
        <input
          value={said('topic')}
          placeholder="sensors/+/temperature"
          onChange={({ currentTarget }) => setQuery({ topic: currentTarget.value })}
        />
      </label>
      <label>
        Client identifier
        <input
          value={said('client')}
          onChange={({ currentTarget }) => setQuery({ client: currentTarget.value })}
        />
      </label>
      <label>
        Text, of what is shown
        <input
          value={text}
          onInput={({ currentTarget }) => {
            setText(currentTarget.value);
            setQuery({ text: currentTarget.value });
          }}
        />
      </label>
      <ul class="summary" aria-label="By stage">
        {STAGES.map((one) => (
          <li key={one}>
            <button
              type="button"
              aria-pressed={chosen.includes(stageText(one))}
              onClick={() => setQuery({ stage: toggledStage(query.value, one) })}
            >
              {stageText(one)}
            </button>
          </li>
        ))}
      </ul>
    </search>
  );
}

function Followed({ tail }: { readonly tail: Tail }) {
  const { lines, failure, state, redraw } = tail;
  const all = lines.shown;
  const shown = linesWith(all, said('text'));
  const hold = () => {
    if (lines.isHeld) return;
    lines.hold();
    redraw();
  };
  return (
    <>
      {failure && <FailureNotice failure={failure} />}
      <Following tail={tail} />
      {shown.length > 0 && (
        <TailTable lines={shown} onOpen={(message) => setQuery({ message })} onAway={hold} />
      )}
      {shown.length === 0 && state === 'connecting' && <Loading what="the messages" />}
      {shown.length === 0 && state === 'live' && (
        <Empty title={all.length > 0 ? 'None of what is shown has this text' : 'No message yet'}>
          <p>
            They are shown here as they come. <a href="/try">Publish one</a>
          </p>
        </Empty>
      )}
    </>
  );
}

const STATES = {
  connecting: 'connecting…',
  live: 'live',
  hidden: 'not followed while out of sight',
  asking: 'not followed any more',
  down: 'not live: trying again',
} as const;

function Following({ tail }: { readonly tail: Tail }) {
  const { lines, state, rate, goOn } = tail;
  const out = rate.leftOut > 0 ? `, ${numberText(Math.round(rate.leftOut))}/s left out` : '';
  return (
    <div class="actions found">
      <p>
        <span class={state === 'live' ? 'state good' : 'state wait'}>{STATES[state]}</span>{' '}
        <span class="quiet">
          {numberText(Math.round(rate.messages))}/s{out} · {lines.told.toLocaleString('en')} messages
          {lines.leftOut > 0n && `, ${lines.leftOut.toLocaleString('en')} left out`}
        </span>
      </p>
      {state === 'asking' && (
        <p class="notice wait" role="alert">
          Followed for 15 minutes. Is anybody still looking?{' '}
          <button type="button" onClick={goOn}>
            Go on
          </button>
        </p>
      )}
      <button type="button" aria-keyshortcuts="Space" onClick={() => togglePause(tail)}>
        {lines.isHeld ? `Paused: ${lines.fresh.toLocaleString('en')} new` : 'Pause'}
      </button>
    </div>
  );
}
