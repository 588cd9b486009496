import { useState } from 'preact/hooks';
import { query, setQuery } from '../../app/location.ts';
import { integrationPath } from '../../app/routes.ts';
import { integrations } from '../../live/live.ts';
import { Empty } from '../../ui/notice.tsx';
import { Messages } from './messages.tsx';

const MOST = 20;

/** The messages of one integration, which is chosen here. */
export function MessagesPage() {
  const id = query.value.get('integration') ?? '';
  const chosen = integrations.value.get(id);
  return (
    <>
      <header class="page-head">
        <h1>Messages</h1>
        {id !== '' && (
          <p>
            of <a href={integrationPath(id)}>{chosen?.name ?? id}</a>{' '}
            <button type="button" class="link" onClick={() => setQuery({ integration: '', message: '' })}>
              another one
            </button>
          </p>
        )}
      </header>
      {id === '' ? <Choose /> : <Messages key={id} integrationId={id} />}
    </>
  );
}

function Choose() {
  const [text, setText] = useState('');
  const all = [...integrations.value.values()];
  const found = all.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase()));
  if (all.length === 0) {
    return (
      <Empty title="There is no integration">
        <p>
          Messages are kept for integrations that take them. <a href="/integrations/new">Make one</a>
        </p>
      </Empty>
    );
  }
  return (
    <>
      <search class="filters">
        <label>
          Of which integration?
          <input value={text} onInput={({ currentTarget }) => setText(currentTarget.value)} />
        </label>
      </search>
      <ul class="chosen-from" aria-label="Integrations">
        {found.slice(0, MOST).map(({ id, name }) => (
          <li key={id}>
            <a href={`/messages?integration=${encodeURIComponent(id)}`}>{name}</a>
          </li>
        ))}
        {found.length > MOST && <li class="quiet">and {found.length - MOST} more</li>}
        {found.length === 0 && <li class="quiet">None has this in its name.</li>}
      </ul>
    </>
  );
}
