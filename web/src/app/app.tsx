import { effect } from '@preact/signals';
import { toLogin } from '../api/use-query.ts';
import { connection } from '../live/live.ts';
import { AccessPage } from '../pages/access/access-page.tsx';
import { EventsPage } from '../pages/events/events-page.tsx';
import { IntegrationPage } from '../pages/integration/integration-page.tsx';
import { IntegrationsPage } from '../pages/integrations/integrations-page.tsx';
import { LoginPage } from '../pages/login/login-page.tsx';
import { NodesPage } from '../pages/nodes/nodes-page.tsx';
import { Empty } from '../ui/notice.tsx';
import { Lazy } from './lazy.tsx';
import { route } from './location.ts';
import { Shell } from './shell.tsx';

/** The form comes with all rules of the schema: only who opens it loads it. */
const loadEditPages = () => import('../pages/edit/edit-page.tsx');

const loadTryPage = () => import('../pages/try/try-page.tsx');
const loadReplays = () => import('../pages/replays/replays-page.tsx');
const loadReplayForm = () => import('../pages/replays/replay-form.tsx');

effect(() => {
  if (connection.value.state === 'login') toLogin();
});

export function App() {
  const now = route.value;
  if (now.page === 'login') return <LoginPage />;
  return (
    <Shell>
      <Page />
    </Shell>
  );
}

function Page() {
  const now = route.value;
  switch (now.page) {
    case 'integrations':
      return <IntegrationsPage />;
    case 'integration':
      return <IntegrationPage key={now.id} id={now.id} tab={now.tab} />;
    case 'new':
      return <Lazy load={loadEditPages} what="the form" show={({ NewPage }) => <NewPage />} />;
    case 'edit':
      return <Lazy load={loadEditPages} what="the form" show={({ EditPage }) => <EditPage id={now.id} />} />;
    case 'try':
      return <Lazy load={loadTryPage} what="the MQTT client" show={({ TryPage }) => <TryPage />} />;
    case 'replay':
      return (
        <Lazy
          load={loadReplayForm}
          what="the form"
          show={({ ReplayForm }) => <ReplayForm key={now.id} id={now.id} />}
        />
      );
    case 'replays':
      return (
        <Lazy
          key="replays"
          load={loadReplays}
          what="the replays"
          show={({ ReplaysPage }) => <ReplaysPage />}
        />
      );
    case 'events':
      return <EventsPage />;
    case 'nodes':
      return <NodesPage />;
    case 'access':
      return <AccessPage />;
    default:
      return (
        <Empty title="There is no such page">
          <p>
            <a href="/integrations">To the integrations</a>
          </p>
        </Empty>
      );
  }
}
