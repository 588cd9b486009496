import type { ComponentChildren } from 'preact';
import { api } from '../api/client.ts';
import { useAction } from '../api/use-action.ts';
import { toLogin } from '../api/use-query.ts';
import { changeCaller, connection, retryLive, serverNow } from '../live/live.ts';
import { spanText } from '../ui/times.ts';
import { leave } from './leave.ts';
import { route } from './location.ts';
import { THEMES, theme, ZONES, zone } from './preferences.ts';
import type { Route } from './routes.ts';
import { RunningJobs } from './running-jobs.tsx';
import { isOpenToAll, self } from './self.ts';

const PAGES: readonly {
  readonly path: string;
  readonly name: string;
  readonly pages: readonly Route['page'][];
}[] = [
  {
    path: '/integrations',
    name: 'Integrations',
    pages: ['integrations', 'integration', 'new', 'edit', 'replay'],
  },
  { path: '/try', name: 'Try it', pages: ['try'] },
  { path: '/messages', name: 'Messages', pages: ['messages'] },
  { path: '/dead-letters', name: 'Dead letters', pages: ['dead-letters'] },
  { path: '/replays', name: 'Replays', pages: ['replays'] },
  { path: '/events', name: 'Events', pages: ['events'] },
  { path: '/nodes', name: 'Nodes', pages: ['nodes', 'node'] },
  { path: '/access', name: 'Access', pages: ['access', 'audit'] },
];

/** What is around every page. */
export function Shell({ children }: { readonly children: ComponentChildren }) {
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.getElementById('content')?.focus()}>
        To the content
      </button>
      <nav class="rail" aria-label="Pages">
        <a class="brand" href="/">
          Penstock
        </a>
        <ul>
          {PAGES.map(({ path, name, pages }) => (
            <li key={path}>
              <a href={path} aria-current={pages.includes(route.value.page) ? 'page' : undefined}>
                {name}
              </a>
            </li>
          ))}
        </ul>
        <div class="foot">
          <RunningJobs />
          <Pill />
          <Choice label="Theme" choices={THEMES} value={theme} />
          <Choice label="Times" choices={ZONES} value={zone} />
          <Who />
        </div>
      </nav>
      <main id="content" tabIndex={-1}>
        {isOpenToAll() && (
          <p class="notice wait">
            No login is configured: whoever reaches this address may do everything. To change that set{' '}
            <code>PENSTOCK_LOGIN</code>.
          </p>
        )}
        {children}
      </main>
    </div>
  );
}

/** Whether what is shown is what is. */
function Pill() {
  const now = connection.value;
  if (now.state === 'live') return <p class="pill good">Live</p>;
  if (now.state !== 'down') return <p class="pill wait">Connecting</p>;
  const wait = Math.max(0, Math.ceil((now.nextTry - Date.now()) / 1000));
  return (
    <p class="pill bad" title={now.why}>
      Not live for {spanText(serverNow.value && Date.now() - now.since)}
      <br />
      {wait > 0 ? `next try in ${wait} s` : 'trying…'}{' '}
      <button type="button" class="link" onClick={retryLive}>
        now
      </button>
    </p>
  );
}

interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly choices: readonly T[];
  readonly value: { value: T };
}

function Choice<T extends string>({ label, choices, value }: ChoiceProps<T>) {
  return (
    <label class="choice">
      {label}
      <select
        value={value.value}
        onChange={({ currentTarget }) => {
          value.value = currentTarget.value as T;
        }}
      >
        {choices.map((choice) => (
          <option key={choice}>{choice}</option>
        ))}
      </select>
    </label>
  );
}

function Who() {
  const leaving = useAction(
    () => api.auth.deleteSession({}),
    () => {
      leave();
      changeCaller();
      toLogin();
    },
  );
  if (!self.value || isOpenToAll()) return null;
  return (
    <p class="who">
      {self.value.name}{' '}
      <button type="button" class="link" onClick={() => leaving.run()}>
        Log out
      </button>
      {leaving.failure && <span class="problem">{leaving.failure.text}</span>}
    </p>
  );
}
